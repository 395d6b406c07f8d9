"""A worker process that runs studies of a suite one by one, as ordered over a pipe."""

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter

import numpy as np

from dfo_prompt._util.parents import end_with
from dfo_prompt.config.study import StudyConfig, default_popsize
from dfo_prompt.contracts.objective import Estimating, Objective
from dfo_prompt.errors import DfoPromptError, one_line, shortened
from dfo_prompt.methods.run import run_method
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.run.built import plugin_of
from dfo_prompt.run.forecast import forecast
from dfo_prompt.run.objectives import Objectives
from dfo_prompt.study.result import Batch, Observer
from dfo_prompt.study.tariff import Tariff
from dfo_prompt.suite.executor import Event, Order

LOCK_SECONDS = 30.0
"""The wait for a worker of a killed suite to release its study."""


class _Reporter(Observer):
    """Reports each batch to the suite; the process ends if the pipe is closed."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._queries = 0

    def batch_evaluated(self, batch: Batch) -> None:
        """Report the queries so far of the study, or of all inner studies of a method."""
        self._queries += len(batch.records)
        _send(self._pipe, Event(queries=self._queries, fresh=0 if batch.recalled else len(batch.records)))


def work(pipe: Connection, files: tuple[Path, ...], parent: int) -> None:
    """Run the orders of the process `parent` until the pipe closes, with the plugins in these files."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the suite handles it
    end_with(parent)  # a killed suite cannot end its workers, but their studies must be free for the next run
    objectives = Objectives()
    while (order := _next(pipe)) is not None:
        try:
            with plugin_files(*files), plugin_of(order.plan.config):
                event = _carry_out(order, objectives, pipe)
        except DfoPromptError as error:
            event = Event(finished=True, error=shortened(str(error)))
        except BaseException as error:  # including sys.exit(): a study ends with a result or an error
            event = Event(finished=True, error=one_line(error))
        _send(pipe, event)


def _send(pipe: Connection, event: Event) -> None:
    try:
        pipe.send(event)
    except OSError:
        os._exit(1)  # the suite has closed the pipe


def _carry_out(order: Order, objectives: Objectives, pipe: Connection) -> Event:
    config = order.plan.config
    if order.folder is None:
        objective = objectives.get(config)
        seconds = _seconds(objective, config) if _is_free(objective, config) else None
        return Event(finished=True, seconds=seconds, forecast=forecast(config, objective))
    observers = [_Reporter(pipe)]
    run_method(config, out=order.folder, observers=observers, lock_seconds=LOCK_SECONDS, objectives=objectives)
    return Event(finished=True)


def _is_free(objective: Objective, config: StudyConfig) -> bool:
    """Tell whether the objective says that evaluations may be repeated at no cost."""
    return isinstance(objective, Estimating) and not Tariff(objective=objective, name=config.objective).again


def _seconds(objective: Objective, config: StudyConfig) -> float:
    """Return the seconds per query in a batch of the study's size, after a warm-up batch."""
    batch = np.zeros((config.popsize or default_popsize(config.dim), config.dim))
    for _ in range(2):
        started = perf_counter()
        objective.evaluate(batch)
    return (perf_counter() - started) / len(batch)


def _next(pipe: Connection) -> Order | None:
    try:
        order: Order | None = pipe.recv()
    except EOFError:
        return None
    return order
