"""The executor of this machine: worker processes, their orders, their events and their end."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from pathlib import Path
from types import ModuleType
from typing import Any

from dfo_prompt.plugin.catalogue import given_files
from dfo_prompt.suite.executor import Event, Order
from dfo_prompt.suite.worker import work

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
END_SECONDS = 5.0
"""For a process that closed its pipe to end by itself, so that its own exit status is told."""
POLL_SECONDS = 0.5
"""Between two looks at a process whose pipe and sentinel a process of its own may keep open."""


class Processes:
    """Runs studies in processes of this machine, each of them one after the other; an `Executor`."""

    def __init__(self, *, jobs: int | None, threads: int | None, folder: Path | None) -> None:  # noqa: ARG002 - any folder will do
        self._jobs, self._variables = jobs or 1, thread_variables(threads)
        self._idle: list[WorkerProcess] = []
        self._busy: dict[str, WorkerProcess] = {}
        self._begun: list[tuple[str, Event]] = []

    def room(self) -> Sequence[str]:
        """Return the groups of idle processes, and "" for each that may still be started."""
        for worker in [worker for worker in self._idle if not worker.alive]:
            self._idle.remove(worker)
            worker.kill()
        return [worker.group for worker in self._idle] + [""] * (self._jobs - len(self._idle) - len(self._busy))

    def begin(self, order: Order) -> None:
        """Give the order to an idle process, best one that has the objective, or to a new one."""
        self._idle.sort(key=lambda worker: worker.group == order.plan.group)
        worker = self._idle.pop() if self._idle else WorkerProcess(given_files(), self._variables)
        self._busy[order.plan.id] = worker
        worker.begin(order)
        self._begun.append((order.plan.id, Event()))

    def wait(self, seconds: float) -> Sequence[tuple[str, Event]]:
        """Return what the processes say, or how one ended."""
        said, self._begun = self._begun, []
        wait_for(self._busy.values(), 0.0 if said else seconds)
        for study, worker in [*self._busy.items()]:
            events, gone = worker.take()
            if gone and not any(event.finished for event in events):
                events.append(Event(finished=True, error=gone))
                self.stop(study)
            elif any(event.finished for event in events):
                self._idle.append(self._busy.pop(study))
            said += [(study, event) for event in events]
        return said

    def stop(self, study: str) -> None:
        """Kill the process of a study."""
        self._busy.pop(study).kill()

    def close(self) -> None:
        """Kill all processes."""
        for worker in (*self._idle, *self._busy.values()):
            worker.kill()
        self._idle, self._busy = [], {}


class WorkerProcess:
    """A worker process and its pipe.

    Attributes:
        group: of its last study; see `Plan.group`.
    """

    def __init__(self, files: tuple[Path, ...], variables: Mapping[str, str | None]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, files, os.getpid()), daemon=True)
        with _without_interrupts(), _without_main(), _environment(variables):
            self._process.start()
        theirs.close()
        self.group = ""

    @property
    def sources(self) -> list[Any]:
        """Return objects to wait for: one of them is ready when there is something to `take`."""
        return [self._pipe, self._process.sentinel]

    @property
    def alive(self) -> bool:
        """Tell whether the process runs; asked of the system, not of the pipe."""
        return self._process.is_alive()

    def begin(self, order: Order) -> None:
        """Give the process a study to run."""
        self.group = order.plan.group
        with suppress(OSError):  # a process that has just ended: `take` says so
            self._pipe.send(order)

    def take(self) -> tuple[list[Event], str]:
        """Return the events that have arrived, and how the process ended; "" while it runs."""
        alive, events = self.alive, []
        try:
            while self._pipe.poll():
                events.append(self._pipe.recv())
        except (EOFError, OSError):
            self._process.join(END_SECONDS)
            alive = False
        return events, "" if alive else _end(self._process.exitcode)

    def kill(self) -> None:
        """End the process, whatever it is at."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def events_of(order: Order, *, files: tuple[Path, ...], variables: Mapping[str, str | None]) -> Iterator[Event]:
    """Carry out an order in a process of its own and yield its events: all that an executor elsewhere has to call there.

    Args:
        order: to carry out.
        files: see `given_files`, of the suite's process.
        variables: see `thread_variables`, of the suite's process.
    """
    worker = WorkerProcess(files, variables)
    try:
        worker.begin(order)
        yield Event()
        gone = ""
        while not gone:
            wait_for([worker], POLL_SECONDS)
            events, gone = worker.take()
            for event in events:
                yield event
                if event.finished:
                    return
        yield Event(finished=True, error=gone)
    finally:
        worker.kill()


def wait_for(workers: Iterable[WorkerProcess], seconds: float) -> None:
    """Wait until a worker has something to say, at most so many seconds."""
    wait([source for worker in workers for source in worker.sources], timeout=seconds)


def thread_variables(count: int | None) -> dict[str, str | None]:
    """Return the environment in which a process computes with `count` threads; without a count, with those of this one.

    None as a value means that the variable is not set.
    """
    return dict.fromkeys(THREADS, str(count)) if count else {name: os.environ.get(name) for name in THREADS}


def _end(status: int | None) -> str:
    if status is None:
        return "its process closed the pipe to the suite"
    if status < 0:
        return f"its process was ended by {signal.Signals(-status).name}"
    return f"its process ended with exit status {status}"


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block Ctrl-C for processes started here: it reaches the whole group, and the suite decides."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep processes started here from importing the caller's script, which would call the suite again."""
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _environment(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables for processes started here: libraries read them when they are imported, which those do anew."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
