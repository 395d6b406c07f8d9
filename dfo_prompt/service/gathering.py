"""Evaluates the candidates that several clients wait for in one batch, as large as the objective may be given."""

from contextlib import suppress
from dataclasses import replace
from threading import Lock

import numpy as np

from dfo_prompt.contracts.objective import Evaluation, Objective
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.study.answers import checked_evaluation
from dfo_prompt.types import Matrix

Key = tuple[str, str]
"""Names a request: the client and the id."""


class Gathering:
    """An objective for requests that come one by one and are evaluated with those that wait.

    `announce` is called when a request arrives, in any thread; `evaluate` when its turn comes, in one thread only, once for
    each request that was announced.

    Args:
        objective: scores B candidates.
        most: candidates of a batch; a request of more is evaluated alone.
    """

    def __init__(self, objective: Objective, *, most: int) -> None:
        self._objective, self._most, self._lock = objective, most, Lock()
        self._waiting: dict[Key, Matrix] = {}
        self._found: dict[Key, Evaluation] = {}

    def announce(self, key: Key, candidates: Matrix) -> None:
        """Let the candidates (B, d) of a request be evaluated with those of others, ahead of its turn."""
        with self._lock:
            self._waiting[key] = candidates

    def evaluate(self, key: Key, candidates: Matrix) -> Evaluation:
        """Return the evaluation of a request, whose turn it is."""
        if key in self._found:
            return self._found.pop(key)
        group = self._take(key)
        if len(group) > 1:
            with suppress(Exception):  # perhaps of another client's candidates: then each is evaluated alone
                self._found |= self._together(group)
                return self._found.pop(key)
        return checked_evaluation(self._objective.evaluate(candidates), len(candidates))

    def _take(self, key: Key) -> dict[Key, Matrix]:
        """Return the request with the oldest others that fit into a batch; they wait no longer."""
        with self._lock:
            first = self._waiting.pop(key, None)
            if first is None:
                return {}
            group, room = {key: first}, self._most - len(first)
            for other, candidates in [*self._waiting.items()]:
                if len(candidates) <= room:
                    group[other] = self._waiting.pop(other)
                    room -= len(candidates)
            return group

    def _together(self, group: dict[Key, Matrix]) -> dict[Key, Evaluation]:
        ends = np.cumsum([len(candidates) for candidates in group.values()]).tolist()
        whole = checked_evaluation(self._objective.evaluate(np.concatenate([*group.values()])), ends[-1])
        return {key: _part(whole, begin, end) for key, begin, end in zip(group, [0, *ends], ends, strict=False)}


def _part(whole: Evaluation, begin: int, end: int) -> Evaluation:
    """Return some candidates of an evaluation, with their share of its usage; the shares of all add up to the whole."""
    count = len(whole.losses)
    share = {name: figure * end // count - figure * begin // count for name, figure in vars(whole.usage).items()}
    return replace(
        whole,
        losses=whole.losses[begin:end],
        metrics={name: values[begin:end] for name, values in whole.metrics.items()},
        usage=Usage(**share),
    )
