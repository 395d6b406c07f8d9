"""Runs the studies of a suite in worker processes: each to its end, none twice, and the rest in spite of one that fails."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from dfo_prompt.errors import StudyError
from dfo_prompt.suite.config import SuiteSettings
from dfo_prompt.suite.folder import is_finished, study_path, suite_folder, write_errors
from dfo_prompt.suite.plan import Plan, Suite
from dfo_prompt.suite.process import WorkerProcess, limited_threads, wait_for
from dfo_prompt.suite.worker import Event, Order

SUSPENDED_SECONDS = 5.0
"""A pause of this process beyond it was not the workers' fault: they were stopped too."""


@dataclass(kw_only=True)
class SuiteState:
    """Where a suite stands.

    Attributes:
        studies, queries: in all.
        only_queries: whether every entry asks queries, so that the time left can be told from them.
        done, failed: studies with a result, and those given up.
        running: ids, and the queries of each.
        asked: queries of all studies so far; `fresh`, of these in this run.
        news: lines on studies that ended since the last time.
    """

    studies: int
    queries: int
    only_queries: bool = True
    done: int = 0
    failed: int = 0
    running: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    fresh: int = 0
    news: list[str] = field(default_factory=list)


Watcher = Callable[[SuiteState], object]


def unwatched(*_: object) -> None:
    """Watch nothing."""


def run_suite(suite: Suite, folder: Path, *, jobs: int = 1, watch: Watcher = unwatched) -> dict[str, str]:
    """Run, or continue, every study of `suite` below `folder`; return why some have no result, by id.

    Args:
        suite: what to run.
        folder: of the suite; studies that are finished there are not run again.
        jobs: studies at a time, each in a process of its own. It changes no result.
        watch: called with the state whenever something may have happened.

    Raises:
        InputError, StudyError: see `suite_folder`.
    """
    with suite_folder(folder, suite) as errors, limited_threads(suite.settings.threads):
        only_queries = all(plan.queries for plan in suite.plans)
        state = SuiteState(studies=len(suite.plans), queries=suite.queries, only_queries=only_queries)
        todo = []
        for plan in suite.plans:
            if is_finished(folder, plan.id):
                errors.pop(plan.id, None)
                state.done += 1
                state.asked += plan.queries
            else:
                todo.append(plan)
        watch(state)
        for plan, error in _all(todo, folder, jobs, suite.settings, state, watch):
            if error:
                errors[plan.id] = error
            else:
                errors.pop(plan.id, None)
            write_errors(folder, errors)
        planned = {plan.id for plan in suite.plans}
        return {study: error for study, error in errors.items() if study in planned}


def probe_suite(suite: Suite, folder: Path) -> dict[str, Event]:
    """Return the seconds that a query of each problem takes, and what a study of it consumes at most.

    Seconds are those of a batch of zeros that no account is charged for; where it would cost something, there are none.

    Problems whose studies are all finished in `folder` are left out.

    Raises:
        StudyError: an objective cannot be built or fails.
    """
    first: dict[str, Plan] = {}
    for plan in suite.plans:
        if plan.queries and not is_finished(folder, plan.id):
            first.setdefault(plan.problem, plan)
    found = {}
    with limited_threads(suite.settings.threads):
        worker = WorkerProcess()
        try:
            for problem, plan in first.items():
                worker.begin(Order(plan=plan, folder=None))
                found[problem] = _probed(worker, problem, suite.settings.stall_seconds)
        finally:
            worker.kill()
    return found


def _probed(worker: WorkerProcess, problem: str, stall_seconds: float) -> Event:
    while monotonic() - worker.began < stall_seconds:
        wait_for([worker])
        events, gone = worker.take()
        if error := next((event.error for event in events if event.error), "" if events else gone):
            raise StudyError(f"problem {problem!r}: {error}")
        if events:
            return events[-1]
    raise StudyError(f"problem {problem!r}: two batches take longer than {stall_seconds:g} seconds")


def _all(
    todo: list[Plan], folder: Path, jobs: int, config: SuiteSettings, state: SuiteState, watch: Watcher
) -> Iterator[tuple[Plan, str]]:
    workers: list[WorkerProcess] = []
    try:
        while todo or any(worker.plan for worker in workers):
            _drop(workers, [worker for worker in workers if not (worker.plan or worker.alive)])
            idle = [worker for worker in workers if worker.plan is None]
            while todo and (idle or len(workers) < jobs):
                worker = idle.pop() if idle else WorkerProcess()
                if worker not in workers:
                    workers.append(worker)
                plan = _choose(todo, worker.group)
                worker.begin(Order(plan=plan, folder=study_path(folder, plan.id)))
                state.running[plan.id] = 0
            slept = wait_for([worker for worker in workers if worker.plan]) - SUSPENDED_SECONDS
            for worker in workers:
                worker.heard += max(slept, 0.0)
                worker.began += max(slept, 0.0)
            for worker in workers[:]:
                ended = _attend(worker, config, state)
                if ended is not None:
                    plan, error = ended
                    yield plan, error
                    if worker.plan is not None:  # it did not end by itself
                        _drop(workers, [worker])
            watch(state)
            state.news.clear()
    finally:
        _drop(workers, workers[:])


def _drop(workers: list[WorkerProcess], dropped: list[WorkerProcess]) -> None:
    for worker in dropped:
        worker.kill()
        workers.remove(worker)


def _choose(todo: list[Plan], group: str) -> Plan:
    same = (number for number, plan in enumerate(todo) if plan.group == group)
    return todo.pop(next(same, 0))


def _attend(worker: WorkerProcess, config: SuiteSettings, state: SuiteState) -> tuple[Plan, str] | None:
    """Take in what a worker said; return its study and the error, if any, when that has ended."""
    plan = worker.plan
    if plan is None:
        return None
    events, gone = worker.take()
    for event in events:
        if event.finished:
            worker.plan = None
            return _ended(plan, event.error, state)
        state.asked += event.queries - state.running[plan.id]
        state.fresh += event.fresh
        state.running[plan.id] = event.queries
    if error := gone or _overdue(worker, config):
        return _ended(plan, error, state)
    return None


def _overdue(worker: WorkerProcess, config: SuiteSettings) -> str:
    now = monotonic()
    if now - worker.heard > config.stall_seconds:
        return f"nothing happened for {config.stall_seconds:g} seconds; it was given up"
    if config.study_seconds and now - worker.began > config.study_seconds:
        return f"it took longer than {config.study_seconds:g} seconds; the same command goes on from there"
    return ""


def _ended(plan: Plan, error: str, state: SuiteState) -> tuple[Plan, str]:
    del state.running[plan.id]
    state.failed += bool(error)
    state.done += not error
    state.news.append(f"{plan.id}: {error or 'done'}")
    return plan, error
