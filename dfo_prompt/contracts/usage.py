"""Usage: the consumption of evaluations in each currency that budgets, bills and reports count."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Self

from dfo_prompt.errors import OutageError, UnknownNameError

BYTES_PER_NUMBER = 4
"""Bytes of a transmitted token id or float32."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """The consumption of evaluations.

    Each currency is a field with a description; ledger, results, data frames and reports derive their columns from the
    fields. Only the ledger counts queries: the count that an objective reports is ignored.
    """

    queries: int = field(default=0, metadata={"about": "candidates scored on the whole training split"})
    rows: int = field(default=0, metadata={"about": "examples scored: B candidates on N examples are B * N rows"})
    tokens: int = field(default=0, metadata={"about": "tokens scored, prompt tokens included, padding not"})
    uploaded: int = field(default=0, metadata={"about": "bytes that a service is, or would have been, sent"})
    downloaded: int = field(default=0, metadata={"about": "bytes that a service sends, or would have sent, back"})
    requests: int = field(default=0, metadata={"about": "calls of a service"})
    attempts: int = field(default=0, metadata={"about": "tries of those calls, the first ones included"})
    unanswered: int = field(default=0, metadata={"about": "tries without a usable answer, charged at their estimate"})
    cached_tokens: int = field(default=0, metadata={"about": "tokens that a service read from its cache"})
    billed_tokens: int = field(default=0, metadata={"about": "tokens by the service's own count"})
    nanodollars: int = field(default=0, metadata={"about": "price of a service's answers, in billionths of a US dollar"})

    def __add__(self, other: Self) -> Self:
        """Add field by field."""
        return type(self)(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def only(self, names: Collection[str]) -> Self:
        """Return a copy with all other fields set to zero."""
        return type(self)(**{name: value for name, value in vars(self).items() if name in names})

    def times(self, count: int) -> Self:
        """Multiply every field."""
        return type(self)(**{name: value * count for name, value in vars(self).items()})


class UsageMeter:
    """Adds up the usage of requests that follow one another, which is not lost if a later one fails.

    Attributes:
        total: usage so far.
    """

    def __init__(self) -> None:
        self.total = Usage()

    def add(self, usage: Usage) -> None:
        """Add the usage of an answered request."""
        self.total += usage

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Add the usage so far to that of an outage inside; one without usage is charged at the whole estimate anyway."""
        try:
            yield
        except OutageError as error:
            if error.usage is not None:
                error.usage = self.total + error.usage
            raise


def currencies() -> Mapping[str, str]:
    """Return the description of each currency except queries, by name."""
    return {currency.name: currency.metadata["about"] for currency in fields(Usage) if currency.name != "queries"}


def check_currency(name: str) -> None:
    """Refuse a name that is no currency; queries do not count, as they have their own budget.

    Raises:
        UnknownNameError: there is no such currency.
    """
    if name not in currencies():
        raise UnknownNameError.among("currency", name, currencies())
