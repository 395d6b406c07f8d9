"""Decides after each batch whether a study ends before its budget is spent.

Patience and target depend only on journaled losses, so a replay reaches the same decision. A time limit depends on the
clock, so it is checked only after the whole journal is replayed.
"""

import numpy as np

from dfo_prompt.config.stop import StopConfig
from dfo_prompt.contracts.objective import Objective, Validated
from dfo_prompt.errors import InputError
from dfo_prompt.study.ledger import Ledger


class Stopping:
    """The state of a study's stopping rules.

    Args:
        rules: stopping rules; None for a study that spends its budget.
        ledger: ledger that counts queries and seconds.

    Attributes:
        reason: rule that ended the search; "" before the end.
    """

    def __init__(self, rules: StopConfig | None, ledger: Ledger) -> None:
        self._rules, self._ledger = rules, ledger
        self._best, self._since = np.inf, 0
        self.reason = ""

    def check(self, objective: Objective, name: str) -> None:
        """Refuse rules that use dev if the objective has no dev split.

        Raises:
            InputError: the objective has no dev split.
        """
        if self._rules and self._rules.on == "dev" and not isinstance(objective, Validated):
            raise InputError(f"objective {name!r} has no dev split; set stop.on to 'train'")

    def note(self, loss: float, *, split: str = "train") -> None:
        """Take in the smallest loss so far on a split; infinity before any loss."""
        rules, queries = self._rules, self._ledger.queries
        if rules is None or rules.on != split or self.reason:
            return
        if loss < self._best - rules.min_delta:
            self._best, self._since = loss, queries
        if rules.target is not None and loss <= rules.target:
            self.reason = "target"
        elif rules.patience is not None and queries - self._since >= rules.patience:
            self.reason = "patience"

    def look_at_the_clock(self) -> None:
        """Check the time limit, unless queries of an earlier run are still to be recalled."""
        limit = self._rules.time_limit if self._rules else None
        if limit is None or self.reason or not self._ledger.queries or self._ledger.unrecalled:
            return
        if self._ledger.spent().seconds >= limit:
            self.reason = "time_limit"
