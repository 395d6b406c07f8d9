"""The result of `minimize`, with the losses that its notebook picture draws."""

from dataclasses import dataclass, field

import numpy as np

from dfo_prompt.study.result import Batch, Observer, StudyInfo, StudyResult
from dfo_prompt.types import Vector


@dataclass(frozen=True, kw_only=True, repr=False)
class MinimizeResult(StudyResult):
    """The result of a study, displayed in a notebook as a table and a convergence picture.

    Attributes:
        optimizer: name of the optimizer.
        losses: (Q,) losses in query order, NaN for failed queries; empty for a study that was already finished and whose
            optimizer cannot be replayed.
    """

    optimizer: str
    losses: Vector = field(default_factory=lambda: np.zeros(0))

    def _repr_html_(self) -> str | None:
        try:
            from dfo_prompt.report.html import study_html  # noqa: PLC0415 - an extra, and only for notebooks
        except ImportError:
            return None  # the notebook falls back to the one-line text
        return study_html(self, self.losses, optimizer=self.optimizer)


class Recorder(Observer):
    """An observer that records the losses of a study."""

    def __init__(self) -> None:
        self._losses: list[float] = []

    def study_started(self, info: StudyInfo) -> None:  # noqa: ARG002
        """Clear the losses."""
        self._losses = []

    def batch_evaluated(self, batch: Batch) -> None:
        """Record the losses of a batch, new or recalled from the journal."""
        self._losses += [np.nan if record.loss is None else record.loss for record in batch.records]

    def with_losses(self, result: StudyResult, optimizer: str) -> MinimizeResult:
        """Return the result with the recorded losses."""
        losses = np.array(self._losses, dtype=np.float64)
        return MinimizeResult(**vars(result), optimizer=optimizer, losses=losses)
