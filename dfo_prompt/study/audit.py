"""Figures of usage that do not agree: a service's count beside ours, an estimate beside what was consumed."""

import warnings
from collections.abc import Iterable

from dfo_prompt.contracts.usage import Usage

SHARE = 0.01
"""Of the tokens, by which a service may count otherwise."""


def mismatch(usage: Usage) -> str:
    """Return what is wrong with a service's count of tokens; "" for nothing.

    Tries without an answer have our estimate only, so that the service may seem to count less.
    """
    ours, theirs = usage.tokens, usage.billed_tokens
    if not theirs or abs(theirs - ours) <= SHARE * ours or (usage.unanswered and theirs < ours):
        return ""
    return f"the service counts {theirs:,} tokens, the ledger {ours:,}"


class Audit:
    """Warns of what does not agree, of each kind once.

    Args:
        name: of the objective.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._said: set[str] = set()

    def check(self, used: Usage, most: Usage, limited: Iterable[str]) -> None:
        """Warn where a batch used more than was reserved in a currency with a limit, or the service counts otherwise."""
        for currency in limited:
            found, reserved = getattr(used, currency), getattr(most, currency)
            if found > reserved:
                self._warn(currency, f"used {found:,} {currency}, more than the {reserved:,} that it estimated")
        if said := mismatch(used):
            self._warn("billed_tokens", said)

    def _warn(self, kind: str, said: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            warnings.warn(f"objective {self._name!r}: {said}", RuntimeWarning, stacklevel=2)
