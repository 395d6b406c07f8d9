"""A process that runs studies of a suite, one after the other, as it is told over a pipe."""

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter

import numpy as np

from dfo_prompt._util.parents import end_with
from dfo_prompt.config.study import StudyConfig, default_popsize
from dfo_prompt.contracts.objective import Objective
from dfo_prompt.errors import DfoPromptError, one_line, shortened
from dfo_prompt.methods.run import run_method
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.run.forecast import forecast
from dfo_prompt.run.objectives import Objectives
from dfo_prompt.run.study import plugin_of
from dfo_prompt.study.result import Batch, StudyInfo, StudyResult
from dfo_prompt.study.tariff import Tariff
from dfo_prompt.suite.executor import Event, Order

LOCK_SECONDS = 30.0
"""For the process of a suite that was killed to let go of its study."""


class _Reporter:
    """Tells the suite of each batch; where nobody listens any more, the process ends."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._queries = 0

    def study_started(self, info: StudyInfo) -> None:
        """Say nothing."""

    def batch_evaluated(self, batch: Batch) -> None:
        """Say how far it has come: the study, or a method with all its studies."""
        self._queries += len(batch.records)
        _say(self._pipe, Event(queries=self._queries, fresh=0 if batch.recalled else len(batch.records)))

    def study_finished(self, result: StudyResult) -> None:
        """Say nothing: the result is not yet saved."""


def work(pipe: Connection, files: tuple[Path, ...], parent: int) -> None:
    """Carry out orders of the process `parent` until there are no more, with the plugins in these files."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the suite decides
    end_with(parent)  # a suite that is killed takes no worker with it; its study must be free for the next run
    objectives = Objectives()
    while (order := _next(pipe)) is not None:
        try:
            with plugin_files(*files), plugin_of(order.plan.config):
                event = _carry_out(order, objectives, pipe)
        except DfoPromptError as error:
            event = Event(finished=True, error=shortened(str(error)))
        except BaseException as error:  # sys.exit() too: a study ends by its result, or by a named error
            event = Event(finished=True, error=one_line(error))
        _say(pipe, event)


def _say(pipe: Connection, event: Event) -> None:
    try:
        pipe.send(event)
    except OSError:
        os._exit(1)  # nobody listens any more


def _carry_out(order: Order, objectives: Objectives, pipe: Connection) -> Event:
    config = order.plan.config
    if order.folder is None:
        objective = objectives.get(config)
        seconds = None if Tariff(objective=objective, name=config.objective).again else _seconds(objective, config)
        return Event(finished=True, seconds=seconds, forecast=forecast(config, objective))
    observers = [_Reporter(pipe)]
    run_method(config, out=order.folder, observers=observers, lock_seconds=LOCK_SECONDS, objectives=objectives)
    return Event(finished=True)


def _seconds(objective: Objective, config: StudyConfig) -> float:
    """Return the seconds that a query takes in a batch of the study's size, the second time it runs."""
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
