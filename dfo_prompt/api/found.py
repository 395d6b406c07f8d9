"""What a study called from Python found, with its losses, so that it can draw itself."""

from dataclasses import dataclass, field

import numpy as np

from dfo_prompt.study.result import Batch, StudyInfo, StudyResult
from dfo_prompt.types import Vector


@dataclass(frozen=True, kw_only=True, repr=False)
class FoundResult(StudyResult):
    """The result of a study, which a notebook shows as a table and a convergence picture.

    Attributes:
        optimizer: its name.
        losses: (Q,) of the queries in their order, NaN of those that failed; empty where the study was finished before and
            its optimizer cannot be replayed.
    """

    optimizer: str
    losses: Vector = field(default_factory=lambda: np.zeros(0))

    def _repr_html_(self) -> str | None:
        try:
            from dfo_prompt.report.html import study_html  # noqa: PLC0415 - an extra, and only for notebooks
        except ImportError:
            return None  # the one-line text stands in
        return study_html(self, self.losses, optimizer=self.optimizer)


class Recorder:
    """An observer that keeps the losses of a study."""

    def __init__(self) -> None:
        self._losses: list[float] = []

    def study_started(self, info: StudyInfo) -> None:  # noqa: ARG002
        """Begin anew."""
        self._losses = []

    def batch_evaluated(self, batch: Batch) -> None:
        """Keep the losses of a batch, journaled earlier or not."""
        self._losses += [np.nan if record.loss is None else record.loss for record in batch.records]

    def study_finished(self, result: StudyResult) -> None:
        """Do nothing: the call returns the result."""

    def found(self, result: StudyResult, optimizer: str) -> FoundResult:
        """Return the result with what was kept."""
        losses = np.array(self._losses, dtype=np.float64)
        return FoundResult(**vars(result), optimizer=optimizer, losses=losses)
