"""Holds an optimizer to its contract, and times it."""

import json
from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

import numpy as np

from dfo_prompt._util.parsing import plain
from dfo_prompt.contracts.optimizer import Optimizer
from dfo_prompt.errors import PluginError, one_line
from dfo_prompt.types import Json, Matrix, Vector

T = TypeVar("T")


class GuardedOptimizer:
    """An optimizer whose calls are checked, named in errors and timed.

    Every method raises PluginError where the optimizer raises or hands out what the contract does not allow. Arrays are
    copied in both directions, so that an optimizer that keeps or changes one harms only itself.
    """

    def __init__(self, optimizer: Optimizer, *, name: str) -> None:
        self._optimizer = optimizer
        self._name = name
        self._seconds = 0.0

    def ask(self) -> Matrix:
        """Return the next candidates, (B, d)."""
        candidates = self._call("ask", lambda: np.array(self._optimizer.ask(), dtype=np.float64))
        dim = self._optimizer.dim
        if candidates.ndim != 2 or candidates.shape[1] != dim or not len(candidates):  # noqa: PLR2004
            raise PluginError(f"optimizer {self._name!r} asked for candidates of shape {candidates.shape}, not (B, {dim})")
        self._check_values(candidates)
        return candidates

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Pass on the losses (B,) of the candidates (B, d)."""
        self._call("tell", lambda: self._optimizer.tell(candidates.copy(), losses.copy()))

    def recommend(self) -> Vector:
        """Return the optimizer's answer, (d,)."""
        answer = self._call("recommend", lambda: np.array(self._optimizer.recommend(), dtype=np.float64))
        if answer.shape != (self._optimizer.dim,):
            raise PluginError(f"optimizer {self._name!r} recommends shape {answer.shape}, not ({self._optimizer.dim},)")
        self._check_values(answer)
        return answer

    def describe(self) -> dict[str, Json]:
        """Return what the optimizer says of itself, as plain data: NumPy's scalars and arrays become numbers and lists."""
        said: dict[str, Json] = self._call(
            "describe", lambda: json.loads(json.dumps(self._optimizer.describe(), default=plain))
        )
        return said

    def take_seconds(self) -> float:
        """Return the optimizer's own seconds since the last call of this method."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def _call(self, method: str, call: Callable[[], T]) -> T:
        started = perf_counter()
        try:
            return call()
        except Exception as error:
            raise PluginError(f"optimizer {self._name!r} failed in {method}: {one_line(error)}") from error
        finally:
            self._seconds += perf_counter() - started

    def _check_values(self, values: Matrix | Vector) -> None:
        if not np.isfinite(values).all():
            raise PluginError(f"optimizer {self._name!r} proposes a value that is not finite")
        bounds = self._optimizer.bounds
        if bounds and not ((values >= bounds[0]) & (values <= bounds[1])).all():
            raise PluginError(f"optimizer {self._name!r} proposes a value outside the bounds {list(bounds)}")
