"""Measures the time of a long study besides its queries, with journals, and its memory."""

import resource
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import dfo_prompt as dp
from dfo_prompt._util.memory import PROCESS, forget_peak

POPSIZE = 20


@dataclass(frozen=True, kw_only=True)
class LongStudy:
    """The measurements of a study.

    Attributes:
        own_milliseconds: a query, all that the loop takes beside the objective: optimizer, ledger and journals.
        optimizer_milliseconds: a query, the part of ask and tell in it.
        once_seconds: before and after the loop: building the optimizer, its imports included, manifest and result.
        points: seconds and memory of each stretch of queries.
    """

    own_milliseconds: float
    optimizer_milliseconds: float
    once_seconds: float
    points: list[dict[str, Any]]


def run_long_study(objective: dp.Objective, *, optimizer: str, queries: int, every: int) -> LongStudy:
    """Run a study in a folder of its own, noting a point `every` so many queries."""
    watch = Watch(every)
    forget_peak()  # memory freed by earlier measurements would hide leaks
    with TemporaryDirectory() as folder:
        started = perf_counter()
        done = dp.minimize(objective, optimizer=optimizer, budget=queries, popsize=POPSIZE, out=folder, observers=[watch])
        took = perf_counter() - started
    objective_seconds = done.spent.objective_seconds + done.validation.objective_seconds
    return LongStudy(
        own_milliseconds=1e3 * (watch.seconds - objective_seconds) / queries,
        optimizer_milliseconds=1e3 * done.spent.optimizer_seconds / queries,
        once_seconds=took - watch.seconds,
        points=watch.points,
    )


class Watch:
    """Notes the time that the loop and each stretch of queries took, and the memory held at a stretch's end."""

    def __init__(self, every: int) -> None:
        self.points: list[dict[str, Any]] = []
        self.seconds = 0.0
        self._every = every

    def study_started(self, info: object) -> None:  # noqa: ARG002
        """Start the clock."""
        self._began = self._started = perf_counter()

    def batch_evaluated(self, batch: dp.Batch) -> None:
        """Note a point."""
        if batch.queries % self._every == 0:
            took = perf_counter() - self._started
            self.points.append({"queries": batch.queries, "seconds": took, "resident_megabytes": resident_megabytes()})
            self._started = perf_counter()

    def study_finished(self, result: object) -> None:  # noqa: ARG002
        """Stop the clock."""
        self.seconds = perf_counter() - self._began


def resident_megabytes() -> float | None:
    """Return the main memory that this process holds now, or None where the system does not say (not Linux).

    A peak would not do: models that ran earlier in the process set it, and no later leak would reach it.
    """
    pages = PROCESS / "statm"
    if not pages.exists():
        return None
    return round(int(pages.read_text().split()[1]) * resource.getpagesize() / 1024**2, 1)
