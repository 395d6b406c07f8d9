"""Decides after each batch whether a study ends before its budget is spent.

Patience and target follow from journaled losses alone, so that a study that goes on decides the same again. A time limit
follows the clock: it is asked only where the journal has ended, and what was journaled is never decided again.
"""

import numpy as np

from dfo_prompt.config.stop import StopConfig
from dfo_prompt.contracts.objective import Objective, Validated
from dfo_prompt.errors import InputError
from dfo_prompt.study.ledger import Ledger


class Stopping:
    """The rules of a study, and where they stand.

    Args:
        rules: None for a study that spends its budget.
        ledger: that the seconds are charged to.

    Attributes:
        reason: the rule that ended the search; "" until then.
    """

    def __init__(self, rules: StopConfig | None, ledger: Ledger) -> None:
        self._rules, self._ledger = rules, ledger
        self._best, self._since = np.inf, 0
        self.reason = ""

    def check(self, objective: Objective, name: str) -> None:
        """Refuse rules about dev for an objective without it.

        Raises:
            InputError: there is no dev.
        """
        if self._rules and self._rules.on == "dev" and not isinstance(objective, Validated):
            raise InputError(f"objective {name!r} has no dev split; set stop.on to 'train'")

    def note(self, loss: float, *, split: str = "train") -> None:
        """Take in the smallest loss so far on a split; infinity where there is none."""
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
        """Note whether the time is up, unless queries of an earlier run are still to be recalled."""
        limit = self._rules.time_limit if self._rules else None
        if limit is None or self.reason or not self._ledger.queries or self._ledger.left:
            return
        if self._ledger.spent().seconds >= limit:
            self.reason = "time_limit"
