"""The part of a cluster's executor that runs on its nodes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from socket import gethostname
from time import monotonic
from uuid import uuid4

from dfo_prompt.errors import InputError
from dfo_prompt.suite.executor import Event, Order
from dfo_prompt.suite.process import WorkerProcess

TELL_SECONDS = 1.0
"""The shortest time between two events of a running study."""


@dataclass(frozen=True, kw_only=True)
class Nonce:
    """A file with a unique name in the suite folder; a node that sees it shares the folder."""

    path: Path | None
    package: str

    @classmethod
    def written(cls, folder: Path | None) -> "Nonce":
        """Write the file into `folder` and return the nonce; without a folder there is no file."""
        path = folder and folder / f".shared-{uuid4()}"
        if path:
            path.touch()
        return cls(path=path, package=version("dfo-prompt"))

    def fault(self) -> str:
        """Return why this node cannot run studies; "" if it can."""
        if self.path and not self.path.exists():
            return f"node {gethostname()} does not share {self.path.parent}; put --out on a file system that all nodes have"
        if (installed := version("dfo-prompt")) != self.package:
            return f"node {gethostname()} has dfo-prompt {installed}, not {self.package}; install the same everywhere"
        return ""


class Runner:
    """Runs orders one by one on a node, in a process that is kept for the next order; a Ray actor."""

    def __init__(self, nonce: Nonce, files: tuple[Path, ...], variables: Mapping[str, str | None]) -> None:
        self._nonce, self._files, self._variables = nonce, files, variables
        self._process: WorkerProcess | None = None

    def carry_out(self, order: Order) -> Iterator[Event]:
        """Run an order and yield its events."""
        if fault := self._nonce.fault():
            raise InputError(fault)
        if self._process is None or not self._process.alive:
            self.close()
            self._process = WorkerProcess(self._files, self._variables)
        yield from seldom(self._process.run(order))

    def close(self) -> None:
        """End the process."""
        if self._process:
            self._process.kill()


def seldom(events: Iterable[Event]) -> Iterator[Event]:
    """Yield events, merging those of batches to at most one per `TELL_SECONDS`, to spare the cluster's only driver."""
    sent, kept = -TELL_SECONDS, None
    for event in events:
        if event.finished:
            if kept:
                yield kept  # not "yield from": Ray sends values into the iterator that a task delegates to
            yield event
            continue
        kept = replace(event, fresh=event.fresh + (kept.fresh if kept else 0))
        if monotonic() - sent >= TELL_SECONDS:
            yield kept
            sent, kept = monotonic(), None
