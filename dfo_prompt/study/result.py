"""What a study tells its observers, and what it returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dfo_prompt._util.parsing import STRICT
from dfo_prompt.study.costs import Spent
from dfo_prompt.study.records import Finite, Record
from dfo_prompt.types import Json, Matrix, Vector

USUAL = ("budget", "fitted", "unfinished")
"""Stop reasons of studies that nothing ended early."""


@dataclass(frozen=True, kw_only=True)
class StudyInfo:
    """What an observer is told at the start.

    Attributes:
        config: the study's configuration as plain data, keys as in a STUDY.toml.
    """

    optimizer: str
    objective: str
    budget: int
    dim: int
    seed: int
    folder: Path | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


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
class Validation:
    """A candidate's score on held-out examples, new or from the journal.

    Attributes:
        split: "dev" or "test".
        role: "best", "recommended", or "baseline" for the hand-written prompt.
        query: queries spent by then.
        metric: name of the metric; `score`, its value.
    """

    split: str
    role: str
    query: int
    metric: str
    score: float | None
    loss: float | None


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Figures on held-out data: of the chosen candidate, and of the hand-written prompt ("manual").

    Attributes:
        role: what the chosen candidate was when it was scored on dev: "best" (observed) or "recommended".
        query: how many queries had been spent by then.
    """

    __pydantic_config__ = STRICT

    role: str = ""
    query: int = 0
    dev_metric: Finite | None = None
    test_metric: Finite | None = None
    manual_dev_metric: Finite | None = None
    manual_test_metric: Finite | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a method found: the figures of result.json, the same for all methods. Figures that a method lacks are None.

    Attributes:
        held_out: on dev and test; None where the objective has no held-out data.
        spent: what the queries took; `validation`, the same for the second account.
        training_seconds: until there was an answer, without looks at dev and test.
        best_loss: smallest loss observed; `recommended_loss`, that of the optimizer's own answer, evaluated anew at the end.
        failures: queries without a finite loss.
        user_bytes: memory on the user's side: the optimizer's, measured on a batch, or that of a head of the user's own;
            with a `Remote` objective, the most that this process held.
        peak_bytes: of main memory during the search or fit, libraries and model included; only on Linux. With a `Remote`
            objective, that of the service's process since its start.
        optimizer_state: what the optimizer says of itself at the end, restarts for instance.
        about: what a method says of itself: what it chose on dev, sizes.
        rounded: queries of an earlier run whose candidates the optimizer now proposes with other rounding, as on another
            processor; they count as journaled.
        stop_reason: "budget", "limits.tokens" or another currency whose limit ended the search before; "time_limit",
            "patience" or "target" of a study that has such a rule; "fitted" for methods without a search of their own.
        warnings: figures of what was spent that do not agree.
    """

    held_out: HeldOut | None
    spent: Spent
    validation: Spent
    training_seconds: float = 0.0
    best_loss: float | None = None
    recommended_loss: float | None = None
    failures: int = 0
    user_bytes: int | None = None
    peak_bytes: int | None = None
    optimizer_state: Mapping[str, Json] = field(default_factory=dict)
    about: Mapping[str, Json] = field(default_factory=dict)
    rounded: int = 0
    stop_reason: str = "budget"
    warnings: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class StudyResult(Result):
    """What a study found: figures, and candidates. Those that are easily mixed up are kept apart.

    Attributes:
        best: (d,) the candidate with the smallest loss observed.
        recommended: (d,) the optimizer's own answer.
        chosen: (d,) the candidate with the best metric on dev; without held-out data, `best`.
    """

    best: Vector
    recommended: Vector
    chosen: Vector

    def __repr__(self) -> str:
        loss = "no loss" if self.best_loss is None else f"best loss {self.best_loss:.6g}"
        spent = f"{self.spent.queries:,} queries, d = {len(self.best)}, ended by {self.stop_reason}"
        return f"<{type(self).__name__}: {loss}, {spent}>"


class Observer(Protocol):
    """Watches studies; it cannot change them. One that raises is named in a warning and dropped.

    It may have three more methods: `validated(validation: Validation)`, for scores on dev and test;
    `failed(error: str)`, for the line with which a study ended early; and of a tracker,
    `suite_finished(folder: Path, page: Path | None)`, for a suite whose studies have ended, and the page of its report.
    """

    def study_started(self, info: StudyInfo) -> None:
        """Handle the start, or the continuation, of a study."""

    def batch_evaluated(self, batch: Batch) -> None:
        """Handle a batch, after it was journaled."""

    def study_finished(self, result: StudyResult) -> None:
        """Handle the end of a study that spent its budget."""
