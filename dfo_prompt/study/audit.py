"""Checks of usage: a service's token count against ours, and consumption against the estimate."""

import warnings
from collections.abc import Iterable

from dfo_prompt.contracts.usage import Usage
from dfo_prompt.study.budget import Budget

SHARE = 0.01
"""The share of the tokens by which a service's count may differ."""


def mismatch(usage: Usage) -> str:
    """Return a warning if a service's token count disagrees with ours; "" if it agrees.

    A service may or may not count the output tokens, one per row. Unanswered tries only have our estimate, so a usage with
    some is not compared.
    """
    ours, theirs = usage.tokens, usage.billed_tokens
    least, most = ours * (1 - SHARE), (ours + usage.rows) * (1 + SHARE)
    if not theirs or usage.unanswered or least <= theirs <= most:
        return ""
    return f"the service counts {theirs:,} tokens, the ledger {ours:,}"


def discrepancies(spent: Usage, budget: Budget) -> tuple[str, ...]:
    """Return the warnings for the result of a study: another token count of a service, and an exceeded limit."""
    currency = budget.binding(spent)
    amount, limit = (getattr(spent, currency), budget.limits[currency]) if currency else (0, 0)
    excess = f"{amount:,} {currency} were used, above the limit of {limit:,}" if currency else ""
    return tuple(filter(None, (mismatch(spent), excess)))


class Audit:
    """Warns of each kind of disagreement once.

    Args:
        name: name of the objective.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._warned: set[str] = set()

    def check(self, used: Usage, most: Usage, limited: Iterable[str]) -> None:
        """Warn if a batch used more than was reserved of a limited currency, or if the service's count disagrees."""
        for currency in limited:
            amount, reserved = getattr(used, currency), getattr(most, currency)
            if amount > reserved:
                self._warn(currency, f"used {amount:,} {currency}, more than the {reserved:,} that it estimated")
        if message := mismatch(used):
            self._warn("billed_tokens", message)

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(f"objective {self._name!r}: {message}", RuntimeWarning, stacklevel=2)
