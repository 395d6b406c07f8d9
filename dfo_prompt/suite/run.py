"""Runs the studies of a suite in worker processes: each to its end, none twice, and the rest in spite of one that fails."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from time import monotonic
from typing import Any

from dfo_prompt.errors import StudyError
from dfo_prompt.plugin.catalogue import given_files
from dfo_prompt.suite.folder import is_finished, study_path, suite_folder, write_errors
from dfo_prompt.suite.plan import Plan, Suite
from dfo_prompt.suite.worker import Event, Order, work

SUSPENDED_SECONDS = 5.0
"""A pause of this process beyond it was not the workers' fault: they were stopped too."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


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
    with suite_folder(folder, suite) as errors, _threads(suite.settings.threads):
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
        for plan, error in _all(todo, folder, jobs, suite.settings.stall_seconds, state, watch):
            if error:
                errors[plan.id] = error
            else:
                errors.pop(plan.id, None)
            write_errors(folder, errors)
        planned = {plan.id for plan in suite.plans}
        return {study: error for study, error in errors.items() if study in planned}


def probe_suite(suite: Suite, folder: Path) -> dict[str, float]:
    """Return the seconds that a query of each problem takes, from a batch of zeros that no account is charged for.

    Problems whose studies are all finished in `folder` are left out.

    Raises:
        StudyError: an objective cannot be built or fails.
    """
    first: dict[str, Plan] = {}
    for plan in suite.plans:
        if not (plan.is_method or is_finished(folder, plan.id)):
            first.setdefault(plan.problem, plan)
    seconds = {}
    with _threads(suite.settings.threads):
        worker = _Worker()
        try:
            for problem, plan in first.items():
                worker.begin(Order(plan=plan, folder=None))
                event = worker.pipe.recv()
                if event.error:
                    raise StudyError(f"problem {problem!r}: {event.error}")
                seconds[problem] = event.seconds
        except EOFError as error:
            raise StudyError(f"problem {problem!r} ends the process that tries it") from error
        finally:
            worker.kill()
    return seconds


class _Worker:
    """A worker process, its pipe, and what it is at."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, given_files()), daemon=True)
        self._process.start()
        theirs.close()
        self.plan: Plan | None = None
        self.group = ""
        self.heard = monotonic()

    def begin(self, order: Order) -> None:
        self.plan, self.group, self.heard = order.plan, order.plan.group, monotonic()
        with suppress(OSError):  # a process that ended while idle: the next look at its pipe says so
            self.pipe.send(order)

    def kill(self) -> int | None:
        self._process.kill()
        self._process.join()
        self.pipe.close()
        return self._process.exitcode


def _all(
    todo: list[Plan], folder: Path, jobs: int, stall_seconds: float, state: SuiteState, watch: Watcher
) -> Iterator[tuple[Plan, str]]:
    workers: list[_Worker] = []
    try:
        while todo or any(worker.plan for worker in workers):
            idle = [worker for worker in workers if worker.plan is None]
            while todo and (idle or len(workers) < jobs):
                worker = idle.pop() if idle else _Worker()
                if worker not in workers:
                    workers.append(worker)
                plan = _choose(todo, worker.group)
                worker.begin(Order(plan=plan, folder=study_path(folder, plan.id)))
                state.running[plan.id] = 0
            busy: list[Any] = [worker.pipe for worker in workers if worker.plan]
            began = monotonic()
            wait(busy, timeout=0.5)
            slept = monotonic() - began - SUSPENDED_SECONDS
            for worker in workers:
                worker.heard += max(slept, 0.0)
            for worker in workers[:]:
                ended = _attend(worker, stall_seconds, state)
                if ended is not None:
                    plan, error = ended
                    yield plan, error
                    if worker.plan is not None:  # it did not end by itself
                        workers.remove(worker)
            watch(state)
            state.news.clear()
    finally:
        for worker in workers:
            worker.kill()


def _choose(todo: list[Plan], group: str) -> Plan:
    same = (number for number, plan in enumerate(todo) if plan.group == group)
    return todo.pop(next(same, 0))


def _attend(worker: _Worker, stall_seconds: float, state: SuiteState) -> tuple[Plan, str] | None:
    """Take in what a worker said; return its study and the error, if any, when that has ended."""
    plan = worker.plan
    if plan is None:
        return None
    while worker.pipe.poll():
        worker.heard = monotonic()
        try:
            event: Event = worker.pipe.recv()
        except (EOFError, OSError):
            return _ended(plan, f"its process ended with exit status {worker.kill()}", state)
        if event.finished:
            worker.plan = None
            return _ended(plan, event.error, state)
        state.asked += event.queries - state.running[plan.id]
        state.fresh += event.fresh
        state.running[plan.id] = event.queries
    if monotonic() - worker.heard > stall_seconds:
        worker.kill()
        return _ended(plan, f"nothing happened for {stall_seconds:g} seconds; it was given up", state)
    return None


def _ended(plan: Plan, error: str, state: SuiteState) -> tuple[Plan, str]:
    del state.running[plan.id]
    state.failed += bool(error)
    state.done += not error
    state.news.append(f"{plan.id}: {error or 'done'}")
    return plan, error


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    # Libraries read them when they are imported, which the workers do anew.
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, str(count)) if count else {})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
