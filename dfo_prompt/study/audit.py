"""Figures of usage that do not agree: a service's count beside ours, an estimate beside what was consumed."""

import warnings
from collections.abc import Iterable

from dfo_prompt.contracts.usage import Usage

SHARE = 0.01
"""Of the tokens, by which a service may count otherwise."""


def mismatch(usage: Usage) -> str:
    """Return what is wrong with a service's count of tokens; "" for nothing.

    Services count the answers or leave them out; each is one token a row. Tries without an answer have our estimate only:
    with some of them nothing can be compared.
    """
    ours, theirs = usage.tokens, usage.billed_tokens
    least, most = ours * (1 - SHARE), (ours + usage.rows) * (1 + SHARE)
    if not theirs or usage.unanswered or least <= theirs <= most:
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
