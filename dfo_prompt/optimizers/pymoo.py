"""The single-objective algorithms of pymoo (Blank and Deb, 2020)."""

from typing import Any

import numpy as np
from pymoo.algorithms.soo.nonconvex.de import DE
from pymoo.algorithms.soo.nonconvex.es import ES
from pymoo.algorithms.soo.nonconvex.g3pcx import G3PCX
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.algorithms.soo.nonconvex.isres import ISRES
from pymoo.algorithms.soo.nonconvex.pso import PSO
from pymoo.algorithms.soo.nonconvex.sres import SRES
from pymoo.core.evaluator import Evaluator
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.problems.static import StaticProblem

from dfo_prompt.errors import UnknownNameError
from dfo_prompt.optimizer import Optimizer
from dfo_prompt.optimizers.fence import GlobalFence
from dfo_prompt.types import Json, Matrix, Vector

ALGORITHMS = {cls.__name__: cls for cls in (DE, ES, G3PCX, GA, ISRES, PSO, SRES)}
HALF_WIDTH = 10.0
"""Without bounds the box that these algorithms need reaches this many step sizes from x0."""
MIN_POPULATION = 5
"""Differential evolution combines this many distinct parents."""


class Pymoo(Optimizer):
    """One algorithm of pymoo; recommends the best candidate told.

    The first population is drawn from N(x0, sigma^2 I), its first member being x0 itself, and clipped to the box.

    Args:
        variant: name in `ALGORITHMS`.
        study: see `Optimizer`.

    Raises:
        UnknownNameError: there is no such algorithm.
    """

    def __init__(self, *, variant: str, **study: Any) -> None:
        super().__init__(**study)
        if variant not in ALGORITHMS:
            raise UnknownNameError.among("algorithm of pymoo", variant, ALGORITHMS)
        self._fence = GlobalFence(self.seed)
        self._population = max(self.popsize, MIN_POPULATION)
        low, high = self._box()
        self._problem = Problem(n_var=self.dim, n_obj=1, xl=low, xu=high)
        with self._fence():
            self._algorithm = ALGORITHMS[variant](**self._sizes(variant), sampling=self._first(low, high))
            self._algorithm.setup(self._problem, termination=NoTermination(), seed=self.seed % 2**32)
        self._asked: Any = None
        self._best, self._best_loss = self.x0, np.inf

    def ask(self) -> Matrix:
        """Return the next candidates, (B, d); B depends on the algorithm."""
        with self._fence():
            self._asked = self._algorithm.ask()
        return np.array(self._asked.get("X"), dtype=np.float64)

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Pass on the losses (B,)."""
        best = int(losses.argmin())
        if losses[best] < self._best_loss:
            self._best, self._best_loss = candidates[best].copy(), losses[best]
        with self._fence():
            Evaluator().eval(StaticProblem(self._problem, F=losses.reshape(-1, 1).copy()), self._asked)
            self._algorithm.tell(infills=self._asked)

    def recommend(self) -> Vector:
        """Return the best candidate told, (d,)."""
        return self._best.copy()

    def describe(self) -> dict[str, Json]:
        """Return the population size in effect, and the box."""
        low, high = self._box()
        return {"popsize": self._population, "box": [float(low.min()), float(high.max())]}

    def _box(self) -> tuple[Vector, Vector]:
        if self.bounds is not None:
            return np.full(self.dim, self.bounds[0]), np.full(self.dim, self.bounds[1])
        return self.x0 - HALF_WIDTH * self.sigma, self.x0 + HALF_WIDTH * self.sigma

    def _first(self, low: Vector, high: Vector) -> Matrix:
        steps = np.random.default_rng(self.seed).standard_normal((self._population, self.dim))
        steps[0] = 0.0
        first: Matrix = (self.x0 + self.sigma * steps).clip(low, high)
        return first

    def _sizes(self, variant: str) -> dict[str, int]:
        if variant in ("ES", "SRES", "ISRES"):  # (mu, lambda) with seven offspring a parent, as in Runarsson and Yao (2005)
            return {"n_offsprings": self._population, "pop_size": max(1, self._population // 7)}
        return {"pop_size": self._population}
