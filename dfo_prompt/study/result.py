"""The results of studies, and the reports that observers receive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dfo_prompt._util.parsing import STRICT, Finite
from dfo_prompt.study.costs import Spent
from dfo_prompt.study.records import Record
from dfo_prompt.types import Json, Matrix, Vector

USUAL = ("budget", "fitted", "unfinished")
"""Stop reasons that do not mean an early end."""
METRICS = ("dev_metric", "test_metric", "manual_dev_metric", "manual_test_metric")
"""Fields of `HeldOut` that are metrics."""


@dataclass(frozen=True, kw_only=True)
class StudyInfo:
    """The facts of a study that observers receive at its start.

    Attributes:
        config: the study's configuration as plain data, with the keys of a STUDY.toml.
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
    """An evaluated batch and the state of the study after it.

    Attributes:
        candidates: (B, d) the candidates.
        records: their records.
        recalled: True if the batch comes from the journal of an earlier run.
        queries: number of queries spent.
        remaining: number of queries left.
        best_loss: smallest loss so far; None before any.
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
        query: number of queries spent so far.
        metric: name of the metric.
        score: value of the metric.
        loss: loss on the split.
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
        role: role of the chosen candidate when it was scored on dev: "best" (observed) or "recommended".
        query: number of queries spent when it was scored.
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
    """The result of a method: the figures of result.json, the same for all methods. Figures that a method lacks are None.

    Attributes:
        held_out: scores on dev and test; None if the objective has no held-out data.
        spent: costs of the queries.
        validation: costs of the evaluations on the second account.
        training_seconds: seconds until the answer, without evaluations on dev and test.
        best_loss: smallest loss observed.
        recommended_loss: loss of the optimizer's answer, re-evaluated at the end; without noise if the objective gives that.
        failures: number of queries without a finite loss.
        user_bytes: memory on the user's side: the optimizer's, measured on a batch, or that of a classification head; with a
            `Remote` objective, the peak of this process.
        peak_bytes: peak main memory during the search or fit, including libraries and model; only on Linux. With a `Remote`
            objective, the peak of the service's process since its start.
        optimizer_state: the optimizer's description at the end, for example its restarts.
        about: the method's own description: choices made on dev, sizes.
        rounded: number of journaled candidates that the optimizer now proposes with different rounding, as on another
            processor; the journaled ones count.
        stop_reason: "budget"; "limits.tokens", or another currency with a limit; "time_limit", "patience" or "target";
            "fitted" for methods other than a study; or "unfinished".
        warnings: disagreements in the reported consumption.
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
    """The result of a study: figures and three distinct candidates.

    Attributes:
        best: (d,) the candidate with the smallest loss observed.
        recommended: (d,) the optimizer's answer.
        chosen: (d,) the candidate with the best metric on dev; `best` without held-out data.
    """

    best: Vector
    recommended: Vector
    chosen: Vector

    def __repr__(self) -> str:
        loss = "no loss" if self.best_loss is None else f"best loss {self.best_loss:.6g}"
        spent = f"{self.spent.queries:,} queries, d = {len(self.best)}, ended by {self.stop_reason}"
        return f"<{type(self).__name__}: {loss}, {spent}>"


class Observer(Protocol):
    """Watches studies without changing them. An observer that raises is dropped with a warning.

    A subclass inherits methods that do nothing, and defines those that it needs.

    Four more methods are optional: `search_ended(reason: str)` receives the stop reason of a search, before the evaluations
    that follow its last query; `validated(validation: Validation)` receives scores on dev and test;
    `failed(error: str)` receives the error line of a failed study; and, for trackers,
    `suite_finished(folder: Path, page: Path | None)` receives the folder of a finished suite and its report page.
    """

    def study_started(self, info: StudyInfo) -> None:  # noqa: ARG002
        """Handle the start, or the continuation, of a study."""
        return  # an empty body would be abstract in a subclass

    def batch_evaluated(self, batch: Batch) -> None:  # noqa: ARG002
        """Handle a batch after it was journaled."""
        return

    def study_finished(self, result: StudyResult) -> None:  # noqa: ARG002
        """Handle the result of a finished study."""
        return
