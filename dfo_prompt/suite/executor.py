"""The executor contract: runs the studies of a suite somewhere and reports their progress."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from dfo_prompt.plugin.building import build
from dfo_prompt.run.forecast import Forecast
from dfo_prompt.suite.plan import Plan

PROCESSES = "processes"
"""The default executor."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order to run the study of `plan` in `folder`, or, without a folder, to time its objective."""

    plan: Plan
    folder: Path | None


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event of an order: its start, a batch, a sign that it computes, or its end.

    Attributes:
        queries: number of queries so far.
        fresh: number of new queries since the last event, excluding those recalled from the journal.
        finished: True for the last event of an order.
        seconds: seconds per query, for an order without a folder; None if queries cost something.
        forecast: forecast of the study, for an order without a folder.
        error: why there is no result; "" if there is one.
        lost: True if the machine failed, not the study, so that the order can be given again.
    """

    queries: int = 0
    fresh: int = 0
    finished: bool = False
    seconds: float | None = None
    forecast: Forecast | None = None
    error: str = ""
    lost: bool = False


@runtime_checkable
class Executor(Protocol):
    """Runs studies somewhere. Results do not depend on the executor: the configuration alone defines a study."""

    def room(self) -> Sequence[str]:
        """Return an item for each order that can begin now.

        The item is the group (see `Plan.group`) whose objective is already loaded there, or "".
        """

    def begin(self, order: Order) -> None:
        """Start an order and return at once; called only while there is room."""

    def wait(self, seconds: float) -> Sequence[tuple[str, Event]]:
        """Wait up to `seconds` for events, and return them with the id of their study (see `Plan.id`).

        The first event of an order marks its start, from which time limits count. The last event is `finished`.

        Raises:
            InputError, StudyError: no order can run; the suite ends.
        """

    def stop(self, study: str) -> None:
        """Abort an order; no more events of it follow."""

    def close(self) -> None:
        """Abort all orders and release all resources."""


def open_executor(
    name: str, options: Mapping[str, Any], *, jobs: int | None, threads: int | None, folder: Path | None
) -> Executor:
    """Build the executor called `name`.

    Args:
        name: a name that `dfo-prompt list executors` shows.
        options: the user's options of the executor.
        jobs: number of parallel studies; None leaves it to the executor.
        threads: threads per study; None keeps the current environment.
        folder: suite folder; None if objectives are only timed.

    Raises:
        InputError, PluginError: the name or an option is invalid, or the executor cannot be used.
    """
    executor: Executor = build("executor", name, options, jobs=jobs, threads=threads, folder=folder)
    return executor
