"""What a study tells its observers, and what it returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dfo_prompt.study.ledger import Record, Spent
from dfo_prompt.types import Json, Matrix, Vector


@dataclass(frozen=True, kw_only=True)
class StudyInfo:
    """What an observer is told at the start."""

    optimizer: str
    objective: str
    budget: int
    dim: int
    seed: int
    folder: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One evaluated batch: candidates (B, d), their records, and where the study stands after it.

    `recalled` batches come from the journal of an earlier run of the same study.
    """

    candidates: Matrix
    records: Sequence[Record]
    recalled: bool
    queries: int
    remaining: int
    best_loss: float | None


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Figures on held-out data: of the chosen candidate, and of the hand-written prompt ("manual").

    Attributes:
        role: what the chosen candidate was when it was scored on dev: "best" (observed) or "recommended".
        query: how many queries had been spent by then.
    """

    role: str
    query: int
    dev_metric: float | None
    test_metric: float | None
    manual_dev_metric: float | None
    manual_test_metric: float | None


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """What a finished study found. Figures that are easily mixed up are kept apart.

    Attributes:
        best: (d,) the candidate with the smallest loss observed, and `best_loss`, that loss (None: no query succeeded).
        recommended: (d,) the optimizer's own answer, and `recommended_loss`, its loss evaluated anew at the end.
        chosen: (d,) the candidate with the best metric on dev; without held-out data, `best`.
        failures: queries without a finite loss.
        spent: what the queries took; `validation`, the same for the second account.
        user_bytes: memory that the optimizer takes, measured on a batch; only where the objective has held-out data.
        peak_bytes: of main memory during the study, libraries and model included; likewise, and only on Linux.
        optimizer_state: what the optimizer says of itself at the end, restarts for instance.
    """

    best: Vector
    best_loss: float | None
    recommended: Vector
    recommended_loss: float | None
    chosen: Vector
    held_out: HeldOut | None
    failures: int
    spent: Spent
    validation: Spent
    optimizer_state: dict[str, Json]
    user_bytes: int | None = None
    peak_bytes: int | None = None
    stop_reason: str = "budget"


class Observer(Protocol):
    """Watches studies; it cannot change them. One that raises is named in a warning and dropped."""

    def study_started(self, info: StudyInfo) -> None:
        """Handle the start, or the continuation, of a study."""

    def batch_evaluated(self, batch: Batch) -> None:
        """Handle a batch, after it was journaled."""

    def study_finished(self, result: StudyResult) -> None:
        """Handle the end of a study that spent its budget."""
