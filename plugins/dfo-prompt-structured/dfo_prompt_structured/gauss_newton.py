"""Derivative-free Gauss-Newton in subspaces that grow by random directions."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

import dfo_prompt as dp
from dfo_prompt_structured.linear import Model, Ridge, interpolate
from dfo_prompt_structured.points import Point, Points
from dfo_prompt_structured.subproblem import MAX_RADIUS, Length, minimise

GROW_RATIO, KEEP_RATIO = 0.7, 0.1
"""The ratios of true to predicted decrease from which the radius grows, and from which it does not shrink."""
MAX_DISTANCE = 10.0
"""The distance in radii beyond which points are left out of the model."""
STALE_DISTANCE = 2.0
"""A model with points beyond this distance, in radii, is rebuilt before the radius shrinks."""
MAX_STEPS = 20
"""The largest number of minimisers in a batch, with radii up to a thousand times the first; others are fresh directions."""
MIN_DECREASE = 1e-13
"""The predicted decrease, relative to the loss, below which no step is evaluated."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """The minimisers of the model that begin a batch: in the trust region, then in balls of other radii.

    Attributes:
        base: the centre of the model.
        predicted: the predicted decrease of the first minimiser.
        at_border: whether the first minimiser is on the border of its ball.
        reach: the reach of the model.
        radii: the radii of all minimisers.
    """

    base: Point
    predicted: float
    at_border: bool
    reach: float
    radii: tuple[float, ...]


class GaussNewton(dp.StructuredOptimizer):
    """Gauss-Newton, which evaluates the minimiser of h(F + J s) in a trust region around the best point, and points for J.

    J interpolates the outputs at near points that span a subspace (Cartis and Roberts, 2019; in random subspaces, 2023). The
    first candidate of a batch is the minimiser, once enough directions are known, followed by minimisers in balls of other
    radii. The others, and all candidates before that, are in fresh directions: random, orthonormal, and orthogonal to the
    best known ones. The ratio of true to predicted decrease adapts the radius; below `least_step` the search restarts around
    the best point. Candidates are clipped to the bounds.

    Args:
        length: the length of the first directions and the first radius, in units of sigma sqrt(d).
        least_step: the smallest length of directions, relative to the first; use 1 for noisy losses, such as those of a
            language model in bfloat16.
        fresh: the largest number of fresh directions before a step, while some are unknown.
        steps: the number of minimisers, in balls of several radii, in a batch: at most half of it, or more if the batch
            exceeds the number of directions, but at most 20.
        ridge: penalty of the slopes; see `interpolate`.
        memory: m, for a model of the m + 2 min(m, d) latest points.
        study: see `dfo_prompt.StructuredOptimizer`.
    """

    def __init__(
        self,
        *,
        length: Length = 0.42,
        least_step: Annotated[float, Field(gt=0, le=1)] = 1e-8,
        fresh: dp.Count = 20,
        steps: dp.Count = 3,
        ridge: Ridge = 1e-10,
        memory: dp.Count = 200,
        **study: Any,
    ) -> None:
        super().__init__(**study)
        self._rng = np.random.default_rng(self.seed)
        self._first = self._radius = length * self.sigma * self.dim**0.5
        self._least, self._fresh, self._ridge = least_step * self._first, fresh, ridge
        self._steps = steps
        self._points = Points(memory + 2 * min(memory, self.dim))
        self._best = dp.Best(self.x0)
        self._fresh_due = min(self.dim, fresh)
        self._step: Step | None = None
        self._no_step = False
        self._started = False
        self._restarts = 0

    def ask(self) -> dp.Matrix:
        """Return the initial point, or the model's minimiser, and fresh directions, (popsize, d)."""
        best, self._step, self._no_step = self._points.best, None, False
        if best is None:
            first = [] if self._started else [self.x0]
            return np.array(
                [*first, *self._directions(self._best.candidate, np.zeros((0, self.dim)), self.popsize - len(first))]
            )
        model = self._model(best)
        first = self._minimisers(best, model) if self._fresh_due < self.popsize and len(model.basis) else []
        self._no_step = not first and self._fresh_due < self.popsize
        return np.array([*first, *self._directions(best.z, model.basis, self.popsize - len(first))])

    def tell_outputs(self, candidates: dp.Matrix, losses: dp.Vector, outputs: dp.Matrix) -> None:
        """Store the points and adapt the radius to the outcome of the step."""
        self._started = True
        self._best.learn(candidates, losses)
        self._points.add(candidates, losses, outputs)
        self._fresh_due = max(0, self._fresh_due - len(candidates) + (len(self._step.radii) if self._step else 0))
        if self._step:
            self._judge(self._step, losses[: len(self._step.radii)])
        elif self._no_step or (self.popsize == 1 and self._points.best and not self._fresh_due):
            self._shrink()  # also before a single step, whose radius is half the length of the directions
        self._radius = min(self._radius, MAX_RADIUS * self._first)
        if self._radius < self._least / 2 or not np.isfinite(self._radius):
            self._restart()

    def recommend(self) -> dp.Vector:
        """Return the best candidate told, (d,)."""
        return self._best.candidate.copy()

    def describe(self) -> dict[str, Any]:
        """Return the first radius and the number of restarts."""
        return {"first_radius": self._first, "restarts": self._restarts}

    def _model(self, best: Point) -> Model:
        displacements, changes = self._points.around(best)
        near = np.linalg.norm(displacements, axis=1) <= MAX_DISTANCE * max(self._radius, self._spacing())
        return interpolate(displacements[near], changes[near], ridge=self._ridge)

    def _minimisers(self, best: Point, model: Model) -> list[dp.Vector]:
        count = min(max(1, min(self._steps, self.popsize // 2), self.popsize - self.dim), MAX_STEPS)
        # The radius r, then r / 2, 2 r, r / 4, 4 r, ...
        radii = tuple(self._radius * 2.0 ** ((-1) ** i * ((i + 1) // 2)) for i in range(count))
        minimisers = [minimise(self.outer, best.outputs, model.slopes, radius) for radius in radii]
        t, predicted = minimisers[0]
        points = [self.inside(best.z + step @ model.basis) for step, _ in minimisers]
        # Larger balls have the same minimiser if it is in the interior.
        distinct = [i for i in range(count) if not any(np.allclose(points[i], points[j], rtol=1e-6) for j in range(i))]
        points, radii = [points[i] for i in distinct], tuple(radii[i] for i in distinct)
        if predicted <= MIN_DECREASE * abs(best.loss) or np.array_equal(points[0], best.z):
            return []
        at_border = float(np.linalg.norm(t)) > 0.9 * self._radius
        self._step = Step(base=best, predicted=predicted, at_border=at_border, reach=model.reach, radii=radii)
        return points

    def _judge(self, step: Step, losses: dp.Vector) -> None:
        ratio, first = (step.base.loss - float(losses[0])) / step.predicted, int(losses.argmin())
        if first and losses[first] < step.base.loss:
            self._radius = step.radii[first]
            return
        unknown = self.dim - len(self._model(step.base).basis)
        if ratio >= KEEP_RATIO:
            self._fresh_due = max(self._fresh_due, min(self._fresh, unknown))
            if ratio >= GROW_RATIO and step.at_border:
                self._radius *= 2
            return
        self._fresh_due = max(self._fresh_due, min(self._fresh, unknown or max(1, self.dim // 10)))
        if step.reach <= STALE_DISTANCE * max(self._radius, self._spacing()):
            self._shrink()

    def _shrink(self) -> None:
        self._radius /= 2

    def _restart(self) -> None:
        self._restarts += 1
        self._points.forget()
        self._radius, self._fresh_due = self._first, min(self.dim, self._fresh)

    def _spacing(self) -> float:
        return float(max(min(self._radius, self._first), self._least))

    def _directions(self, center: dp.Vector, basis: dp.Matrix, count: int) -> list[dp.Vector]:
        """Return points around `center` in directions orthogonal to as many of the first rows of `basis` as possible."""
        if count == 0:
            return []
        kept = basis[: max(0, self.dim - count)]
        draws = self._rng.standard_normal((count, self.dim))
        draws -= (draws @ kept.T) @ kept
        fresh = np.linalg.qr(draws[: self.dim].T)[0].T  # (min(count, d), d)
        more = draws[self.dim :] / np.linalg.norm(draws[self.dim :], axis=1, keepdims=True)
        lengths = np.concatenate([np.ones(len(fresh)), self._rng.uniform(0.1, 1, len(more))])
        return [self._beside(center, step) for step in self._spacing() * lengths[:, None] * np.concatenate([fresh, more])]

    def _beside(self, center: dp.Vector, step: dp.Vector) -> dp.Vector:
        """Return center + step or center - step, whichever the bounds clip less."""
        sides = [self.inside(center + sign * step) for sign in (1, -1)]
        return max(sides, key=lambda z: float(np.linalg.norm(z - center).round(12)))
