"""Replace this algorithm with your own: random steps around the best candidate, halved after every failure."""

from typing import Any

import numpy as np

import dfo_prompt as dp


class Example(dp.Optimizer):
    """Random steps around the best candidate; recommends it.

    Args:
        shrink: factor of the step size after a batch without progress; set it with --set optimizer.shrink=0.8.
        study: dim, seed, budget, popsize, sigma, x0, bounds; see `dfo_prompt.Optimizer`.
    """

    def __init__(self, *, shrink: float = 0.5, **study: Any) -> None:
        super().__init__(**study)
        # Draw from this generator only, so that the same seed always gives the same candidates.
        self._rng = np.random.default_rng(self.seed)
        self._best = dp.Best(self.x0)
        self._step, self._shrink = self.sigma, shrink

    def ask(self) -> np.ndarray:
        """Return the next candidates, (B, d) float64."""
        candidates = self._best.candidate + self._step * self._rng.standard_normal((self.popsize, self.dim))
        return self.inside(candidates)

    def tell(self, candidates: np.ndarray, losses: np.ndarray) -> None:
        """Learn the losses (B,) of the candidates returned by the last ask."""
        if not self._best.learn(candidates, losses):
            # Keep the step above zero: an optimizer continues until the budget is spent.
            self._step = max(self._step * self._shrink, 1e-9)

    def recommend(self) -> np.ndarray:
        """Return the current answer (d,)."""
        return self._best.candidate.copy()
