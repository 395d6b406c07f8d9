"""The optimizer contract: ask for candidates, tell their losses, recommend an answer.

An optimizer is independent of loops, logs, ledgers and files. `dfo_prompt.study.loop` drives it and guarantees that

- each batch passed to `tell` is the whole batch returned by the last `ask`, in the same order;
- every loss is a finite float64, smaller is better; a failed candidate gets the worst finite loss so far, or the next larger
  number while all finite losses are equal;
- `tell` is not called for a batch that the budget cut short;
- a `StructuredOptimizer` receives outputs as well, through `tell_outputs` instead of `tell`.

The optimizer guarantees that

- the same arguments and losses give the same candidates, whatever the state of any global random generator;
- it never stops by itself: where its backend would stop, it restarts within the same budget;
- it neither keeps nor changes the arrays it receives, and does not reuse the arrays it returns.

`dfo_prompt.testing` checks these guarantees, and that the optimizer uses the study's start, step size, population size and
bounds, or that its spec declares the deviation.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from dfo_prompt.contracts.objective import Outer
from dfo_prompt.types import Bounds, Json, Matrix, Vector

HALF_WIDTH = 10.0
"""Half the width, in units of sigma, of the default box of an optimizer that needs one."""


class Optimizer(ABC):
    """A derivative-free minimizer over R^d or a box in it.

    Args:
        dim: d, the number of coordinates of a candidate.
        seed: seed of the optimizer's own random generator; any integer >= 0.
        budget: the study's query budget, for schedules only; the loop enforces it.
        popsize: requested number of candidates per ask.
        sigma: initial step size, the same in every coordinate.
        x0: (d,) initial point, which `recommend` returns before any `tell`.
        bounds: the box that holds every candidate, or None for R^d: two finite numbers for every coordinate, or two vectors
            (d,) with possibly infinite ends. The optimizer keeps read-only copies of the vectors.
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
        self.bounds: Bounds | None = None if bounds is None else (_frozen(bounds[0]), _frozen(bounds[1]))

    @abstractmethod
    def ask(self) -> Matrix:
        """Return the next candidates, (B, d) float64. B may vary from call to call.

        A second ask without a tell in between returns the same candidates or new ones, and never blocks.
        """

    @abstractmethod
    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Learn the losses (B,) of the candidates (B, d) returned by the last ask."""

    @abstractmethod
    def recommend(self) -> Vector:
        """Return the optimizer's current answer (d,): the mean for CMA-ES, otherwise usually the best candidate told."""

    def inside(self, z: Matrix) -> Matrix:
        """Return candidates (B, d), or a candidate (d,), clipped to the bounds, if any."""
        return z if self.bounds is None else z.clip(*self.bounds)

    def box(self) -> tuple[Vector, Vector]:
        """Return the bounds as two finite vectors (d,), for methods that need a box.

        A missing or infinite end is replaced by x0 minus or plus `HALF_WIDTH` steps of sigma.
        """
        default = self.x0 - HALF_WIDTH * self.sigma, self.x0 + HALF_WIDTH * self.sigma
        if self.bounds is None:
            return default
        low, high = (np.broadcast_to(side, self.dim) for side in self.bounds)
        return np.where(np.isfinite(low), low, default[0]), np.where(np.isfinite(high), high, default[1])

    def describe(self) -> dict[str, Json]:
        """Return the backend's actual settings for the manifest: resolved algorithm, effective options, restarts."""
        return {}


def _frozen(side: Any) -> Any:
    """Return a number as it is, and a read-only copy of a vector, so that no code moves the box by accident."""
    if np.ndim(side):
        side = np.array(side, dtype=np.float64)
        side.setflags(write=False)
    return side


class StructuredOptimizer(Optimizer):
    """An optimizer that also learns from the outputs that the losses are a function of; see `Composite`.

    Args:
        outer: the function from outputs to losses.
        study: see `Optimizer`.
    """

    def __init__(self, *, outer: Outer, **study: Any) -> None:
        super().__init__(**study)
        self.outer = outer

    @abstractmethod
    def tell_outputs(self, candidates: Matrix, losses: Vector, outputs: Matrix) -> None:
        """Learn the losses (B,) and the outputs (B, M) of the candidates (B, d) returned by the last ask.

        A failed candidate has a penalty loss and a row of NaN outputs: leave it out of any model.
        """

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Learn losses (B,) without outputs."""
        self.tell_outputs(candidates, losses, np.full((len(candidates), self.outer.size), np.nan))


class Best:
    """Tracks the best candidate told, for optimizers that recommend it.

    Attributes:
        candidate: (d,) the best candidate; the start before any loss.
        loss: its loss; infinity before any loss.
    """

    def __init__(self, start: Vector) -> None:
        self.candidate, self.loss = start.copy(), np.inf

    def learn(self, candidates: Matrix, losses: Vector) -> bool:
        """Take in the losses (B,) of candidates (B, d); return whether the best candidate improved."""
        best = int(losses.argmin())
        if losses[best] >= self.loss:
            return False
        self.candidate, self.loss = candidates[best].copy(), float(losses[best])
        return True
