"""The executor contract: what takes the studies of a suite, runs them somewhere, and says how they come along."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from dfo_prompt.plugin.entries import arguments_of, target_of
from dfo_prompt.run.forecast import Forecast
from dfo_prompt.suite.plan import Plan

PROCESSES = "processes"
"""The executor unless another is named."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be done: run the study of `plan` in `folder`, or, without one, time its objective."""

    plan: Plan
    folder: Path | None


@dataclass(frozen=True, kw_only=True)
class Event:
    """What is said of an order: that it has begun, batches, and at the end a result, or why there is none.

    Attributes:
        queries: the study has asked so far; `fresh`, of these since the last event and not from its journal.
        seconds: a query of the objective takes, of an order without a folder; None where asking would cost something.
        forecast: of the study, of an order without a folder.
        error: why there is no result.
        lost: the machine ended, and not the study: the order may be given again.
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
    """Runs studies somewhere. Results do not depend on it: a study is defined by its configuration alone."""

    def room(self) -> Sequence[str]:
        """Return an item for each order that can be given now.

        The item is the group (see `Plan.group`) whose objective is at hand there, or "".
        """

    def begin(self, order: Order) -> None:
        """Take an order; called no more often than there is room, and returns at once."""

    def wait(self, seconds: float) -> Sequence[tuple[str, Event]]:
        """Return what is new, by the id of the study (see `Plan.id`), after waiting at most so many seconds for it.

        Of each order the first event says that it has begun: limits of time count from there. The last one is `finished`.

        Raises:
            InputError, StudyError: no order can be carried out; the suite ends.
        """

    def stop(self, study: str) -> None:
        """End an order, whatever it is at; nothing more is said of it."""

    def close(self) -> None:
        """End all orders and give everything back."""


def open_executor(
    name: str, options: Mapping[str, Any], *, jobs: int | None, threads: int | None, folder: Path | None
) -> Executor:
    """Build the executor called `name`.

    Args:
        name: see `dfo-prompt list executors`.
        options: of the user, for the executor.
        jobs: studies at a time; None leaves it to the executor.
        threads: of each study; None changes nothing.
        folder: of the suite; None where objectives are only timed.

    Raises:
        InputError, PluginError: the name or an option is wrong, or the executor cannot be used.
    """
    target, arguments = target_of("executor", name), arguments_of("executor", name, options)
    executor: Executor = target(jobs=jobs, threads=threads, folder=folder, **arguments)
    return executor
