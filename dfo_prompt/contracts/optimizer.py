"""The optimizer contract: ask for candidates, tell their losses, recommend an answer.

An optimizer knows no loop, log, budget keeper or file. `dfo_prompt.study.loop` drives it and promises that

- every batch that is told is the batch asked for last, whole, in the same order;
- every loss is a finite float64, smaller is better;
- `tell` is not called for the batch that the budget cut short;
- a `StructuredOptimizer` is told outputs as well, by `tell_outputs` in place of `tell`; others never see them.

The optimizer promises that

- the same arguments and the same losses give the same candidates, whatever the state of any global random generator;
- it never stops by itself: it restarts inside the same budget where its backend would stop;
- it neither keeps nor changes the arrays it is given, and hands out arrays that it does not reuse.

`dfo_prompt.testing` checks each of these, and that start, step size, population size and bounds are those of the study, or
that the spec declares otherwise.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from dfo_prompt.contracts.objective import Outer
from dfo_prompt.types import Bounds, Json, Matrix, Vector

HALF_WIDTH = 10.0
"""Of a box where none is given, in units of sigma."""


class Optimizer(ABC):
    """A derivative-free minimizer over R^d or a box in it.

    Args:
        dim: d, the number of coordinates of a candidate.
        seed: of the optimizer's own random generator; any integer >= 0.
        budget: the queries the study will spend, for schedules; it is not this class that counts them.
        popsize: the candidates the study would like per ask.
        sigma: initial step size, the same unit in every coordinate.
        x0: (d,) initial point; the first answer of `recommend`.
        bounds: the box, or None for R^d: two finite numbers for every coordinate, or two vectors (d,), whose ends may be
            infinite. Every candidate lies inside it.
    """

    def __init__(
        self, *, dim: int, seed: int, budget: int, popsize: int, sigma: float, x0: Vector, bounds: Bounds | None = None
    ) -> None:
        self.dim = dim
        self.seed = seed
        self.budget = budget
        self.popsize = popsize
        self.sigma = sigma
        self.x0 = x0.copy()
        self.bounds = bounds

    @abstractmethod
    def ask(self) -> Matrix:
        """Return the next candidates, (B, d) float64. B may change from call to call.

        Asking again without a tell in between returns the same candidates or fresh ones, and never hangs.
        """

    @abstractmethod
    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Learn the losses (B,) of the candidates (B, d) asked for last."""

    @abstractmethod
    def recommend(self) -> Vector:
        """Return the optimizer's answer so far, (d,): for CMA-ES its mean, else the best candidate told."""

    def inside(self, z: Matrix) -> Matrix:
        """Return candidates (B, d), or one (d,), clipped to the bounds, if there are any."""
        return z if self.bounds is None else z.clip(*self.bounds)

    def box(self) -> tuple[Vector, Vector]:
        """Return the bounds as two finite vectors (d,), for methods that need a box.

        An end that is not there lies `HALF_WIDTH` steps away from x0.
        """
        near = self.x0 - HALF_WIDTH * self.sigma, self.x0 + HALF_WIDTH * self.sigma
        if self.bounds is None:
            return near
        low, high = (np.broadcast_to(side, self.dim) for side in self.bounds)
        return np.where(np.isfinite(low), low, near[0]), np.where(np.isfinite(high), high, near[1])

    def describe(self) -> dict[str, Json]:
        """Return what the backend really runs: resolved algorithm, options in effect, restarts. For the manifest."""
        return {}


class StructuredOptimizer(Optimizer):
    """An optimizer that also learns from the figures that the losses are a function of; see `Composite`.

    Args:
        outer: the function from outputs to losses.
        study: see `Optimizer`.
    """

    def __init__(self, *, outer: Outer, **study: Any) -> None:
        super().__init__(**study)
        self.outer = outer

    @abstractmethod
    def tell_outputs(self, candidates: Matrix, losses: Vector, outputs: Matrix) -> None:
        """Learn the losses (B,) and the outputs (B, M) of the candidates (B, d) asked for last.

        A candidate whose evaluation failed has a penalty for a loss and a row of NaN for outputs: it belongs in no model.
        """

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Learn losses (B,) without outputs."""
        self.tell_outputs(candidates, losses, np.full((len(candidates), self.outer.size), np.nan))


class Best:
    """The best candidate told, for optimizers that recommend it.

    Attributes:
        candidate: (d,); the start until something was told.
        loss: its loss; infinity until then.
    """

    def __init__(self, start: Vector) -> None:
        self.candidate, self.loss = start.copy(), np.inf

    def learn(self, candidates: Matrix, losses: Vector) -> bool:
        """Take in the losses (B,) of candidates (B, d), and tell whether one of them is better."""
        at = int(losses.argmin())
        if losses[at] >= self.loss:
            return False
        self.candidate, self.loss = candidates[at].copy(), float(losses[at])
        return True
