"""R1-ES and Rm-ES (Li and Zhang, 2018, "A simple yet efficient evolution strategy for large-scale ... optimization")."""

from math import sqrt
from typing import Any

import numpy as np

import dfo_prompt as dp
from dfo_prompt_lm.strategy import Few, RankSuccess, Strategy


class RmES(Strategy):
    """Rm-ES, whose covariance is the identity plus m evolution paths some generations apart; R1-ES has a single path.

    Args:
        paths: m, the number of paths.
        gap: T, the smallest number of generations between two paths.
        study: see `dfo_prompt.Optimizer`.
    """

    def __init__(self, *, paths: Few = 2, gap: dp.Count = 20, **study: Any) -> None:
        super().__init__(**study)
        self._memory, self._gap = paths, gap
        self._c_cov = 1 / (3 * sqrt(self.dim) + 5)
        self._c_c = 2 / (self.dim + 7)
        self._path = np.zeros(self.dim)
        self._kept: list[tuple[int, np.ndarray]] = []  # (generation, path), the oldest first
        self._generations = 0
        self._success = RankSuccess(self.weights)

    def draw(self) -> np.ndarray:
        """Draw d = sqrt(1 - c)^m z + sqrt(c) sum_i sqrt(1 - c)^(m - i) r_i p_i (eq. 17)."""
        d = self.rng.standard_normal((self.size, self.dim))
        for _, path in self._kept:
            d = sqrt(1 - self._c_cov) * d + sqrt(self._c_cov) * np.outer(self.rng.standard_normal(self.size), path)
        return d

    def learn(self, order: np.ndarray, losses: np.ndarray, step: np.ndarray) -> None:
        """Update the path, the stored paths and the step size."""
        c = self._c_c
        self._path = (1 - c) * self._path + sqrt(c * (2 - c) * self.mu_w) * step
        self._generations += 1
        self._keep()
        self.step *= self._success.factor(losses[order[: len(self.weights)]])

    def _keep(self) -> None:
        if len(self._kept) == self._memory:
            ages = [generation for generation, _ in self._kept]
            gaps = np.diff(ages) if len(ages) > 1 else np.array([self._gap])
            # Drop the oldest if all are far enough apart, and otherwise the later of the closest pair.
            self._kept.pop(0 if gaps.min() >= self._gap else int(gaps.argmin()) + 1)
        self._kept.append((self._generations, self._path.copy()))
