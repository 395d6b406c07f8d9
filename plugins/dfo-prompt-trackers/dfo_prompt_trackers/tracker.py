"""The base class of trackers, which passes on the figures of a study that its run lacks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dfo_prompt as dp
from dfo_prompt_trackers.location import Location

STORED = ("manifest.json", "journal.jsonl")
"""Files of a study that are stored in its run."""
FINAL = "final/"
"""The prefix of the final figures."""


class Run(ABC):
    """A tracker's run of a study or a suite."""

    @abstractmethod
    def steps(self) -> Mapping[str, int]:
        """Return the last step of each figure in the run, also from earlier processes."""

    @abstractmethod
    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Add a point to the curve of each figure."""

    @abstractmethod
    def store(self, files: Sequence[Path]) -> None:
        """Store copies of files."""

    @abstractmethod
    def end(self, *, error: str = "") -> None:
        """Close the run: as finished, or as failed with an error."""


class Tracker(ABC):
    """An observer that writes each study to a run; a continued study adds the figures that its run lacks."""

    def __init__(self) -> None:
        self._run: Run | None = None
        self._steps: dict[str, int] = {}
        self._folder: Path | None = None

    @abstractmethod
    def open(self, location: Location, parameters: Mapping[str, str]) -> Run:
        """Return the run of the study at `location`, creating it if needed."""

    @abstractmethod
    def open_suite(self, location: Location) -> Run:
        """Return the run of a suite."""

    def study_started(self, info: dp.StudyInfo) -> None:
        """Open the run."""
        self._folder = info.folder
        study = {"optimizer": info.optimizer, "objective": info.objective, "budget": info.budget, "dim": info.dim}
        self._run = self.open(Location.of(info), dict(flattened({**info.config, **study, "seed": info.seed})))
        self._steps = dict(self._run.steps())

    def batch_evaluated(self, batch: dp.Batch) -> None:
        """Add the best loss so far and the mean loss of the batch."""
        losses = [record.loss for record in batch.records if record.loss is not None]
        mean = sum(losses) / len(losses) if losses else None
        self._log(batch.queries, {"best_loss": batch.best_loss, "batch_loss": mean})

    def validated(self, validation: dp.Validation) -> None:
        """Add a score on dev or test."""
        scores = {validation.metric: validation.score, "loss": validation.loss}
        self._log(validation.query, {f"{validation.split}/{validation.role}/{key}": value for key, value in scores.items()})

    def study_finished(self, result: dp.StudyResult) -> None:
        """Add the figures of the result, store the study's files and close the run."""
        self._log(result.spent.queries, {f"{FINAL}{key}": value for key, value in figures_of(result).items()})
        if self._run and self._folder:
            self._run.store([self._folder / name for name in STORED if (self._folder / name).exists()])
        self._end()

    def failed(self, error: str) -> None:
        """Close the run as failed; a continued study reopens it."""
        self._end(error)

    def suite_finished(self, folder: Path, page: Path | None) -> None:
        """Store the page of a suite's report and close the suite's run."""
        run = self.open_suite(Location.of_suite(folder))
        if page:
            run.store([page])
        run.end()

    def _log(self, step: int, figures: Mapping[str, float | None]) -> None:
        new = {key: value for key, value in figures.items() if value is not None and step > self._steps.get(key, -1)}
        if new and self._run:
            self._run.log(step, new)
            self._steps.update(dict.fromkeys(new, step))

    def _end(self, error: str = "") -> None:
        if self._run:
            self._run.end(error=error)
        self._run = None


def figures_of(result: dp.StudyResult) -> dict[str, float | None]:
    """Return the figures of a result."""
    held_out = result.held_out
    return {
        "best_loss": result.best_loss,
        "recommended_loss": result.recommended_loss,
        "failures": result.failures,
        "seconds": result.training_seconds,
        "queries": result.spent.queries,
        "tokens": result.spent.tokens,
        "dev_metric": held_out.dev_metric if held_out else None,
        "test_metric": held_out.test_metric if held_out else None,
    }


def flattened(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted keys of a configuration and their values as text, except for unset keys."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", str(value)
