"""The state of a search: the best candidate so far, and the penalty for failures."""

from collections.abc import Sequence
from math import inf, nextafter
from sys import float_info

import numpy as np

from dfo_prompt.study.records import Record
from dfo_prompt.types import Matrix, Vector

UNKNOWN_WORST = 1e9
"""The loss told for a failed evaluation before any finite loss."""


class SearchState:
    """The outcome of a search so far.

    Attributes:
        best: (d,) the candidate with the smallest loss; the start before any loss.
        best_loss: its loss; infinity before any loss.
        failures: number of queries without a finite loss.
        error: status of the last of them.
    """

    def __init__(self, start: Vector) -> None:
        self.best, self.best_loss = start.copy(), np.inf
        self.failures, self.error = 0, ""
        self._worst_loss = -np.inf

    @property
    def known_loss(self) -> float | None:
        """Return the smallest loss, or None before any loss."""
        return self.best_loss if np.isfinite(self.best_loss) else None

    def learn(self, batch: Matrix, records: Sequence[Record]) -> None:
        """Take in the records of a batch (B, d)."""
        for candidate, record in zip(batch, records, strict=True):
            if record.loss is None:
                self.failures += 1
                self.error = record.status
                continue
            if record.loss < self.best_loss:
                self.best, self.best_loss = candidate.copy(), record.loss
            self._worst_loss = max(self._worst_loss, record.loss)

    def told(self, records: Sequence[Record]) -> Vector:
        """Return the losses (B,) to tell the optimizer, with a loss for failures that is worse than the best one."""
        penalty = self._worst_loss if np.isfinite(self._worst_loss) else UNKNOWN_WORST
        if penalty == self.best_loss:  # all losses are equal: a failure would be as good as any candidate
            penalty = min(nextafter(penalty, inf), float_info.max)
        return np.array([penalty if record.loss is None else record.loss for record in records])  # (B,)
