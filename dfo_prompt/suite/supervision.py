"""Gives the studies of a suite to an executor and follows each until a result, an error or a time limit."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from dfo_prompt._util.supervisor import GOES_ON
from dfo_prompt.errors import StudyError
from dfo_prompt.suite.comparable import Comparable
from dfo_prompt.suite.config import SuiteSettings
from dfo_prompt.suite.executor import Event, Executor, Order
from dfo_prompt.suite.folder import study_path
from dfo_prompt.suite.plan import Plan
from dfo_prompt.suite.queue import Queue
from dfo_prompt.suite.state import SuiteState, Watcher

POLL_SECONDS = 0.5
"""The time between two checks of the time limits."""
SUSPENDED_SECONDS = 5.0
"""A longer pause means that this process was suspended, so the pause does not count against the studies."""
MOST_LOST_MACHINES = 3
"""The most machines that a study may lose before the study itself is considered the cause."""


@dataclass(kw_only=True)
class _Run:
    """A study on an executor; `began` and `heard` are `monotonic` times, None while it waits for a machine."""

    plan: Plan
    began: float | None = None
    heard: float | None = None

    def hear(self) -> None:
        self.heard = monotonic()
        self.began = self.began or self.heard

    def postpone(self, seconds: float) -> None:
        if self.began is not None and self.heard is not None:
            self.began, self.heard = self.began + seconds, self.heard + seconds


class Supervision:
    """Supervises the studies of a suite on an executor."""

    def __init__(
        self,
        executor: Executor,
        settings: SuiteSettings,
        state: SuiteState,
        queue: Queue,
        comparable: Comparable,
        folder: Path,
    ) -> None:
        self._executor, self._settings, self._state = executor, settings, state
        self._queue, self._comparable, self._folder = queue, comparable, folder
        self._runs: dict[str, _Run] = {}
        self._lost_machines: dict[str, int] = {}
        self._busy = monotonic()

    def ended(self, watch: Watcher) -> Iterator[tuple[Plan, str]]:
        """Yield each study as it ends, with its error, or "".

        Raises:
            InputError: a study cannot be compared with the others; see `Comparable`.
            StudyError: the executor has had no room for any study for `stall_seconds`; or see `Executor.wait`.
        """
        while self._queue or self._runs:
            self._give()
            for study, event in self._wait():
                if study in self._runs:
                    yield from self._handle(self._runs[study], event)
            for run in [*self._runs.values()]:
                if error := _overdue(run, self._settings):
                    self._executor.stop(run.plan.id)
                    yield self._end(run, error)
            watch(self._state)
            self._state.news.clear()

    def _give(self) -> None:
        for group in self._executor.room():
            if not self._queue:
                break
            plan = self._queue.take(group)
            self._runs[plan.id] = _Run(plan=plan)
            self._state.began(plan.id)
            self._executor.begin(Order(plan=plan, folder=study_path(self._folder, plan.id)))
        if self._runs:
            self._busy = monotonic()
        elif monotonic() - self._busy > self._settings.stall_seconds:
            stall = f"{self._settings.stall_seconds:g} seconds"
            raise StudyError(f"the executor has had no room for a study for {stall}; {GOES_ON}")

    def _wait(self) -> list[tuple[str, Event]]:
        before = monotonic()
        events = [*self._executor.wait(POLL_SECONDS)]
        suspended = max(monotonic() - before - SUSPENDED_SECONDS, 0.0)
        for run in self._runs.values():
            run.postpone(suspended)
        return events

    def _handle(self, run: _Run, event: Event) -> Iterator[tuple[Plan, str]]:
        run.hear()
        self._comparable.check(run.plan)
        if event.lost:
            losses = self._lost_machines[run.plan.id] = self._lost_machines.get(run.plan.id, 0) + 1
            if losses > MOST_LOST_MACHINES:
                yield self._end(run, f"{event.error}, the fourth time; it was given up")
                return
            del self._runs[run.plan.id]
            self._state.lost(run.plan.id, event.error)
            self._queue.put_back(run.plan)
        elif event.finished:
            yield self._end(run, event.error)
        else:
            self._state.heard(run.plan.id, event.queries, event.fresh)

    def _end(self, run: _Run, error: str) -> tuple[Plan, str]:
        del self._runs[run.plan.id]
        self._state.ended(run.plan.id, error, planned=run.plan.queries)
        return run.plan, error


def _overdue(run: _Run, settings: SuiteSettings) -> str:
    """Return the error of a study that exceeded a time limit; "" if it did not."""
    if run.began is None or run.heard is None:
        return ""
    now = monotonic()
    if now - run.heard > settings.stall_seconds:
        return f"nothing happened for {settings.stall_seconds:g} seconds; it was given up"
    if settings.study_seconds and now - run.began > settings.study_seconds:
        return f"it took longer than {settings.study_seconds:g} seconds; the same command goes on from there"
    return ""
