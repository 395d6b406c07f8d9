"""Injects the minimiser of a linear model of the outputs into each generation of a population method."""

from typing import Any

import numpy as np

import dfo_prompt as dp
from dfo_prompt_structured.linear import Ridge, regress
from dfo_prompt_structured.points import Point, Points
from dfo_prompt_structured.subproblem import MAX_RADIUS, Length, minimise

GROWTH, SHRINKAGE = 1.3, 0.7
"""The factors of the radius after an improvement, and otherwise."""
MIN_RADIUS = 0.1
"""The smallest radius, relative to the median distance of the last generation from the best point."""


class Injected(dp.StructuredOptimizer):
    """Replaces the last candidate of each generation of another optimizer by the minimiser of h(F + J s), |s| <= radius.

    The other optimizer must accept candidates that it did not ask for, as pycma does. The model is linear around the best
    point z so far; see `regress`. The radius grows if the minimiser is the new best point, and shrinks otherwise.

    Args:
        variant: the name of the other optimizer.
        length: the first radius, in units of sigma sqrt(d).
        ridge: penalty of the slopes; see `regress`.
        memory: the number of latest points that the model is fitted to.
        study: see `dfo_prompt.StructuredOptimizer`.
    """

    def __init__(
        self, *, variant: str, length: Length = 0.85, ridge: Ridge = 1e-2, memory: dp.Count = 500, **study: Any
    ) -> None:
        super().__init__(**study)
        del study["outer"]
        self._inner = dp.create_optimizer(variant, **study)
        self._ridge = ridge
        self._first = self._radius = length * self.sigma * self.dim**0.5
        self._points = Points(memory)
        self._injected = False
        self._accepted = 0

    def ask(self) -> dp.Matrix:
        """Return a generation (B, d), with the last candidate replaced once there is a model."""
        candidates = self._inner.ask()
        best = self._points.best
        minimiser = self._minimiser(best) if best else None
        self._injected = minimiser is not None
        if minimiser is not None:
            candidates[-1] = minimiser
        return candidates

    @np.errstate(over="ignore")  # the other optimizer may go as far as numbers reach
    def tell_outputs(self, candidates: dp.Matrix, losses: dp.Vector, outputs: dp.Matrix) -> None:
        """Tell the other optimizer the whole generation and adapt the radius."""
        before = self._points.best
        self._inner.tell(candidates.copy(), losses.copy())  # it might write into them
        self._points.add(candidates, losses, outputs)
        best = self._points.best
        if before is None or best is None:
            return
        if self._injected:
            better = losses[-1] < min(before.loss, *losses[:-1])
            self._accepted += int(better)
            self._radius *= GROWTH if better else SHRINKAGE
        least = MIN_RADIUS * float(np.median(np.linalg.norm(candidates - best.z, axis=1)))
        self._radius = min(max(self._radius, least), MAX_RADIUS * self._first)

    def recommend(self) -> dp.Vector:
        """Return the other optimizer's recommendation, (d,)."""
        return self._inner.recommend()

    def describe(self) -> dict[str, Any]:
        """Return the number of minimisers that became the best point, and the other optimizer's description."""
        return {"accepted": self._accepted, "inner": self._inner.describe()}

    @np.errstate(over="ignore")
    def _minimiser(self, best: Point) -> dp.Vector | None:
        model = regress(*self._points.around(best), radius=self._radius, ridge=self._ridge)
        if not len(model.basis):
            return None
        t, predicted = minimise(self.outer, best.outputs, model.slopes, self._radius)
        return self.inside(best.z + t @ model.basis) if predicted > 0 else None
