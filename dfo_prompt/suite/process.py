"""A worker process of this machine: its start, its orders and its events."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from pathlib import Path
from types import ModuleType
from typing import Any

from dfo_prompt.suite.executor import Event, Order
from dfo_prompt.suite.pulse import Pulse
from dfo_prompt.suite.worker import work

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
END_SECONDS = 5.0
"""The wait for a process that closed its pipe to end by itself, so that its exit status is known."""
POLL_SECONDS = 0.5
"""The time between two checks of a process, whose child may keep its pipe and sentinel open."""


class WorkerProcess:
    """A worker process and its pipe.

    Args:
        files: plugin files of the suite's process; see `given_files`.
        variables: environment of the process; see `thread_variables`.

    Attributes:
        group: group of its last study; see `Plan.group`.
    """

    def __init__(self, files: tuple[Path, ...], variables: Mapping[str, str | None]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, files, os.getpid()), daemon=True)
        with _without_interrupts(), _without_main(), _environment(variables):
            self._process.start()
        theirs.close()
        self._pulse = Pulse(self._process.pid or 0)
        self._queries = 0
        self.group = ""

    @property
    def sources(self) -> list[Any]:
        """Return objects to wait for: one of them becomes ready when `take` has something to return."""
        return [self._pipe, self._process.sentinel]

    @property
    def alive(self) -> bool:
        """Tell whether the process runs, according to the operating system rather than the pipe."""
        return self._process.is_alive()

    def begin(self, order: Order) -> None:
        """Give the process a study to run."""
        self.group, self._queries = order.plan.group, 0
        with suppress(OSError):  # if the process has just ended, `take` reports it
            self._pipe.send(order)

    def take(self) -> list[Event]:
        """Return the events received, one if it computes in silence; if the process ended before its order, how."""
        alive, events = self.alive, list[Event]()
        try:
            while self._pipe.poll():
                events.append(self._pipe.recv())
        except (EOFError, OSError):
            self._process.join(END_SECONDS)
            alive = False
        if not alive and not any(event.finished for event in events):
            events.append(Event(finished=True, error=_end(self._process.exitcode)))
            self.kill()
        if events:
            self._queries = events[-1].queries
        elif self._pulse.beats():
            events.append(Event(queries=self._queries))
        return events

    def run(self, order: Order) -> Iterator[Event]:
        """Run an order and yield its events; executors call this on other machines."""
        self.begin(order)
        last = Event()
        try:
            yield last
            while not last.finished:
                wait_for([self], POLL_SECONDS)
                for last in self.take():
                    yield last
        finally:
            if not last.finished:  # an abandoned order must not report to the next one
                self.kill()

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def wait_for(workers: Iterable[WorkerProcess], seconds: float) -> None:
    """Wait until a worker has an event, at most `seconds`."""
    wait([source for worker in workers for source in worker.sources], timeout=seconds)


def thread_variables(count: int | None) -> dict[str, str | None]:
    """Return the environment variables for `count` threads per process; without a count, those of this process.

    The value None means that the variable is unset.
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
    """Block Ctrl-C in processes started inside: the signal reaches the whole group, and the suite handles it."""
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
    """Keep processes started inside from importing the caller's script, which would call the suite again."""
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _environment(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Set environment variables for processes started inside; their libraries read them at import."""
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
