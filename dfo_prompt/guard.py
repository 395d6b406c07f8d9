"""Holds an optimizer to its contract, and times it."""

from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

import numpy as np

from dfo_prompt.errors import PluginError
from dfo_prompt.optimizer import Optimizer
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
        candidates = np.array(self._call("ask", self._optimizer.ask), dtype=np.float64)
        dim = self._optimizer.dim
        if candidates.shape != (len(candidates), dim) or not len(candidates):
            raise PluginError(f"optimizer {self._name!r} asked for candidates of shape {candidates.shape}, not (B, {dim})")
        self._check_values(candidates)
        return candidates

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Pass on the losses (B,) of the candidates (B, d)."""
        self._call("tell", lambda: self._optimizer.tell(candidates.copy(), losses.copy()))

    def recommend(self) -> Vector:
        """Return the optimizer's answer, (d,)."""
        answer = np.array(self._call("recommend", self._optimizer.recommend), dtype=np.float64)
        if answer.shape != (self._optimizer.dim,):
            raise PluginError(f"optimizer {self._name!r} recommends shape {answer.shape}, not ({self._optimizer.dim},)")
        self._check_values(answer)
        return answer

    def describe(self) -> dict[str, Json]:
        """Return what the optimizer says of itself."""
        return self._call("describe", self._optimizer.describe)

    def take_seconds(self) -> float:
        """Return the optimizer's own seconds since the last call of this method."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def _call(self, method: str, call: Callable[[], T]) -> T:
        started = perf_counter()
        try:
            return call()
        except Exception as error:
            raise PluginError(f"optimizer {self._name!r} failed in {method}: {type(error).__name__}: {error}") from error
        finally:
            self._seconds += perf_counter() - started

    def _check_values(self, values: Matrix | Vector) -> None:
        if not np.isfinite(values).all():
            raise PluginError(f"optimizer {self._name!r} proposes a value that is not finite")
        bounds = self._optimizer.bounds
        if bounds and not ((values >= bounds[0]) & (values <= bounds[1])).all():
            raise PluginError(f"optimizer {self._name!r} proposes a value outside the bounds {list(bounds)}")
