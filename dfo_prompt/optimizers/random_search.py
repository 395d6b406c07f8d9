"""Random search, the baseline of all optimizers."""

from typing import Any

import numpy as np

from dfo_prompt.contracts.optimizer import Best, Optimizer
from dfo_prompt.types import Matrix, Vector


class RandomSearch(Optimizer):
    """Samples z ~ N(x0, sigma^2 I), independently, clipped to the bounds; recommends the best candidate told."""

    def __init__(self, **study: Any) -> None:
        super().__init__(**study)
        self._rng = np.random.default_rng(self.seed)
        self._best = Best(self.x0)

    def ask(self) -> Matrix:
        """Return `popsize` samples, (B, d)."""
        candidates = self.x0 + self.sigma * self._rng.standard_normal((self.popsize, self.dim))
        return self.inside(candidates)

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Keep the best candidate."""
        self._best.learn(candidates, losses)

    def recommend(self) -> Vector:
        """Return the best candidate told, (d,)."""
        return self._best.candidate.copy()
