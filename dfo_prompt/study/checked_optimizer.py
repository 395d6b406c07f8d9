"""Validates and times an optimizer's calls."""

from collections.abc import Callable
from copy import deepcopy
from time import perf_counter
from typing import TypeVar

import numpy as np

from dfo_prompt._util.parsing import plain_copy
from dfo_prompt.contracts.optimizer import Optimizer, StructuredOptimizer
from dfo_prompt.errors import PluginError, one_line
from dfo_prompt.study.checked_objective import as_array
from dfo_prompt.types import Bounds, Json, Matrix, Vector

T = TypeVar("T")


class CheckedOptimizer:
    """Wraps an optimizer to validate and time its calls.

    Every method raises PluginError, naming the optimizer, if the optimizer raises, breaks its contract, or has changed its
    dim or bounds. Arrays are copied in both directions, so that an optimizer that keeps or changes an array affects only
    itself.
    """

    def __init__(self, optimizer: Optimizer, *, name: str) -> None:
        self._optimizer = optimizer
        self._name = name
        self._seconds = 0.0
        self._dim, self._bounds = optimizer.dim, deepcopy(optimizer.bounds)  # the optimizer may write into its own

    def ask(self) -> Matrix:
        """Return the next candidates, (B, d)."""
        candidates = self._call("ask", lambda: _floats(self._optimizer.ask(), "(B, d)"))
        self._check_unchanged()
        dim = self._dim
        if candidates.ndim != 2 or candidates.shape[1] != dim or not len(candidates):  # noqa: PLR2004
            raise PluginError(f"optimizer {self._name!r} asked for candidates of shape {candidates.shape}, not (B, {dim})")
        self._check_values(candidates)
        return candidates

    def tell(self, candidates: Matrix, losses: Vector, outputs: Matrix | None = None) -> None:
        """Pass on the losses (B,) of the candidates (B, d), and the outputs (B, M) to an optimizer that learns from them."""
        optimizer = self._optimizer
        if isinstance(optimizer, StructuredOptimizer) and outputs is not None:
            copies = candidates.copy(), losses.copy(), outputs.copy()
            self._call("tell_outputs", lambda: optimizer.tell_outputs(*copies))
        else:
            self._call("tell", lambda: optimizer.tell(candidates.copy(), losses.copy()))

    def recommend(self) -> Vector:
        """Return the optimizer's answer, (d,)."""
        answer = self._call("recommend", lambda: _floats(self._optimizer.recommend(), "(d,)"))
        self._check_unchanged()
        if answer.shape != (self._dim,):
            raise PluginError(f"optimizer {self._name!r} recommends shape {answer.shape}, not ({self._dim},)")
        self._check_values(answer)
        return answer

    def describe(self) -> dict[str, Json]:
        """Return the optimizer's description as plain data: NumPy scalars and arrays become numbers and lists."""
        state = self._call("describe", lambda: plain_copy(self._optimizer.describe()))
        if not isinstance(state, dict):
            raise PluginError(
                f"optimizer {self._name!r} describes itself by a {type(state).__name__}, not by values by name"
            )
        return state

    def take_seconds(self) -> float:
        """Return the seconds spent in the optimizer since the last call of this method."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def _call(self, method: str, call: Callable[[], T]) -> T:
        started = perf_counter()
        try:
            return call()
        except PluginError:  # of an optimizer that this one wraps, which the message names
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"optimizer {self._name!r} failed in {method}: {one_line(error)}") from error
        finally:
            self._seconds += perf_counter() - started

    def _check_unchanged(self) -> None:
        dim, bounds = self._optimizer.dim, self._optimizer.bounds
        if dim != self._dim:
            raise PluginError(f"optimizer {self._name!r} changed its dim from {self._dim!r} to {dim!r}")
        if not _same_bounds(self._bounds, bounds):
            raise PluginError(f"optimizer {self._name!r} changed its bounds; leave self.bounds as it is, or copy its arrays")

    def _check_values(self, values: Matrix | Vector) -> None:
        if not np.isfinite(values).all():
            raise PluginError(f"optimizer {self._name!r} proposes a value that is not finite")
        if self._bounds is None:
            return
        low, high = (np.broadcast_to(side, values.shape) for side in self._bounds)
        outside = np.argwhere((values < low) | (values > high))
        if len(outside):
            at = tuple(outside[0])
            place = f"{values[at]} in coordinate {at[-1] + 1}, outside the bounds [{low[at]}, {high[at]}]"
            raise PluginError(f"optimizer {self._name!r} proposes {place}")


def _same_bounds(old: Bounds | None, new: Bounds | None) -> bool:
    if old is None or new is None:
        return old is new
    return len(old) == len(new) and all(map(np.array_equal, old, new))


def _floats(values: object, shape: str) -> Matrix:
    try:
        array = as_array(values)
        floats: Matrix = np.array(array, dtype=None if array.dtype.kind in "cmM" else np.float64)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"it must return {shape} numbers: {error}") from error
    if floats.dtype != np.float64:  # NumPy would silently convert complex numbers and dates
        raise TypeError(f"{floats.dtype} is no type of numbers")
    return floats
