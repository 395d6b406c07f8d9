"""Random search along a coordinate at a time: AutoPrompt (Shin et al., 2020) without gradients."""

from typing import Any

import numpy as np

from dfo_prompt.contracts.optimizer import Best, Optimizer
from dfo_prompt.types import Matrix, Vector


class CoordinateSearch(Optimizer):
    """Draws `popsize` replacements x_i + sigma N(0, 1) of a coordinate of the best candidate, then of the next coordinate.

    It suits discrete prompts, whose coordinates select tokens; a large sigma makes all tokens about equally likely.
    """

    def __init__(self, **study: Any) -> None:
        super().__init__(**study)
        self._rng = np.random.default_rng(self.seed)
        self._best = Best(self.x0)
        self._turn = 0

    def ask(self) -> Matrix:
        """Return the best candidate with one coordinate changed, (popsize, d)."""
        z = np.tile(self._best.candidate, (self.popsize, 1))
        z[:, self._turn % self.dim] += self.sigma * self._rng.standard_normal(self.popsize)
        return self.inside(z)

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Move to a better candidate, and continue with the next coordinate."""
        self._turn += 1
        self._best.learn(candidates, losses)

    def recommend(self) -> Vector:
        """Return the best candidate told."""
        return self._best.candidate.copy()
