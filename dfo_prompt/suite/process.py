"""A worker process as its suite sees it: its orders, its events and its end."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from time import monotonic
from typing import Any

from dfo_prompt.plugin.catalogue import given_files
from dfo_prompt.suite.plan import Plan
from dfo_prompt.suite.worker import Event, Order, work

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
POLL_SECONDS = 0.5
"""Between two looks at a process whose pipe and sentinel a process of its own may keep open."""
END_SECONDS = 5.0
"""For a process that closed its pipe to end by itself, so that its own exit status is told."""


class WorkerProcess:
    """A worker process and its pipe.

    Attributes:
        plan: the study that it runs; None while it is idle.
        group: of its last study; see `Plan.group`.
        began, heard: when it was given its study, and when it last said something; both in seconds of `monotonic`.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, given_files(), os.getpid()), daemon=True)
        with _without_interrupts():
            self._process.start()
        theirs.close()
        self.plan: Plan | None = None
        self.group = ""
        self.began = self.heard = monotonic()

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
        self.plan, self.group = order.plan, order.plan.group
        self.began = self.heard = monotonic()
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
        if events:
            self.heard = monotonic()
        return events, "" if alive else _end(self._process.exitcode)

    def kill(self) -> None:
        """End the process, whatever it is at."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def wait_for(workers: list[WorkerProcess]) -> float:
    """Wait until a worker has something to say, at most `POLL_SECONDS`; return the seconds that passed."""
    began = monotonic()
    wait([source for worker in workers for source in worker.sources], timeout=POLL_SECONDS)
    return monotonic() - began


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
def limited_threads(count: int | None) -> Iterator[None]:
    """Let processes started here compute with `count` threads each; None changes nothing."""
    # Libraries read the variables when they are imported, which workers do anew.
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
