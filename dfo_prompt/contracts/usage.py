"""Usage: what evaluations consume, in every currency that a budget, a bill or a report may count."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Self

from dfo_prompt.errors import UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What some evaluations consumed.

    A currency is one field with its meaning; ledger, results, data frames and reports take their columns from the fields.
    The ledger alone counts queries: what an objective says of them is not read.
    """

    queries: int = field(default=0, metadata={"about": "candidates scored on the whole training split"})
    rows: int = field(default=0, metadata={"about": "examples scored: B candidates on N examples are B * N rows"})
    tokens: int = field(default=0, metadata={"about": "tokens scored, prompt tokens included, padding not"})
    uploaded: int = field(default=0, metadata={"about": "bytes that a service is, or would have been, sent"})
    downloaded: int = field(default=0, metadata={"about": "bytes that a service sends, or would have sent, back"})
    requests: int = field(default=0, metadata={"about": "calls of a service"})
    attempts: int = field(default=0, metadata={"about": "tries of those calls, the first ones included"})
    unanswered: int = field(default=0, metadata={"about": "tries without an answer, charged at their estimate"})
    cached_tokens: int = field(default=0, metadata={"about": "tokens that a service read from its cache"})
    billed_tokens: int = field(default=0, metadata={"about": "tokens by the service's own count"})
    nanodollars: int = field(default=0, metadata={"about": "price of a service's answers, in billionths of a US dollar"})

    def __add__(self, other: Self) -> Self:
        """Add up every field."""
        return type(self)(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def only(self, names: Collection[str]) -> Self:
        """Return the fields with these names; the others are zero."""
        return type(self)(**{name: value for name, value in vars(self).items() if name in names})

    def times(self, count: int) -> Self:
        """Multiply every field."""
        return type(self)(**{name: value * count for name, value in vars(self).items()})


def currencies(kind: type[Usage] = Usage) -> Mapping[str, str]:
    """Return what each currency but queries means, by name."""
    return {currency.name: currency.metadata["about"] for currency in fields(kind) if currency.name != "queries"}


def check_currency(name: str) -> None:
    """Refuse what is no currency; queries, which have a budget of their own, are none.

    Raises:
        UnknownNameError: the nearest currency is named.
    """
    if name not in currencies():
        raise UnknownNameError.among("currency", name, currencies())
