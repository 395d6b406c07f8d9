"""Evaluates candidates of several waiting requests in one batch."""

from contextlib import suppress
from dataclasses import replace
from threading import Lock

import numpy as np

from dfo_prompt.contracts.objective import Evaluation, Objective
from dfo_prompt.service.lost import Lost, share
from dfo_prompt.service.worker import Key
from dfo_prompt.study.checked_objective import checked_evaluation
from dfo_prompt.types import Matrix


class Gathering:
    """An objective that evaluates a request together with other waiting requests.

    Call `announce` when a request arrives, in any thread, and `evaluate` when its turn comes, in one thread only and once
    for each announced request.

    Args:
        objective: the objective of batches.
        most: the most candidates of a batch; a larger request is evaluated alone.
        lost: receives the usage of batches that fail.
    """

    def __init__(self, objective: Objective, *, most: int, lost: Lost) -> None:
        self._objective, self._most, self._lost, self._lock = objective, most, lost, Lock()
        self._waiting: dict[Key, Matrix] = {}
        self._found: dict[Key, Evaluation] = {}

    def announce(self, key: Key, candidates: Matrix) -> None:
        """Announce a request, so that its candidates (B, d) may be evaluated with an earlier request."""
        with self._lock:
            self._waiting[key] = candidates

    def evaluate(self, key: Key, candidates: Matrix) -> Evaluation:
        """Return the evaluation of a request."""
        if key in self._found:
            return self._found.pop(key)
        group = self._take(key)
        if len(group) > 1:
            # Another client's candidates may have failed: evaluate each request alone.
            with suppress(Exception), self._lost.kept({one: len(rows) for one, rows in group.items()}):
                self._found |= self._together(group)
                return self._found.pop(key)
        return checked_evaluation(self._objective.evaluate(candidates), len(candidates))

    def _take(self, key: Key) -> dict[Key, Matrix]:
        """Remove and return the request and the oldest waiting requests that fit into its batch."""
        with self._lock:
            first = self._waiting.pop(key, None)
            if first is None:
                return {}
            group, room = {key: first}, self._most - len(first)
            for waiting, candidates in [*self._waiting.items()]:
                if len(candidates) <= room:
                    group[waiting] = self._waiting.pop(waiting)
                    room -= len(candidates)
            return group

    def _together(self, group: dict[Key, Matrix]) -> dict[Key, Evaluation]:
        ends = np.cumsum([len(candidates) for candidates in group.values()]).tolist()
        whole = checked_evaluation(self._objective.evaluate(np.concatenate([*group.values()])), ends[-1])
        return {key: _part(whole, begin, end) for key, begin, end in zip(group, [0, *ends], ends, strict=False)}


def _part(whole: Evaluation, begin: int, end: int) -> Evaluation:
    """Return candidates `begin` to `end` of an evaluation with their share of its usage; all shares add up to the whole."""
    count = len(whole.losses)
    return replace(
        whole,
        losses=whole.losses[begin:end],
        metrics={name: values[begin:end] for name, values in whole.metrics.items()},
        usage=share(whole.usage, begin, end, count),
    )
