"""LM-CMA (Loshchilov, 2017, "LM-CMA: an alternative to L-BFGS for large-scale black-box optimization")."""

from math import ceil, log, sqrt
from typing import Any

import numpy as np

from dfo_prompt_lm.strategy import Few, RankSuccess, Strategy

TINY = 1e-30
"""The squared length of a vector v^j below which it is not used."""


class LMCMA(Strategy):
    """LM-CMA, which reconstructs the Cholesky factor of the covariance from m evolution paths, about d generations apart.

    As in the first version (LM-CMA-ES, GECCO 2014), the path's rate is 1 / m, the step size rule compares the better half of
    two generations with target 0.25, and normal draws use all m paths.

    Args:
        memory: m; by default 4 + 3 ln d.
        study: see `dfo_prompt.Optimizer`.
    """

    def __init__(self, *, memory: Few | None = None, **study: Any) -> None:
        super().__init__(**study)
        self._memory = memory or 4 + int(3 * log(self.dim))
        self._c_1 = 1 / (10 * log(self.dim + 1))
        self._c_c = 1 / self._memory
        self._interval = max(1, ceil(log(self.dim)))  # T, the number of generations between two paths
        self._path = np.zeros(self.dim)
        self._ages: list[int] = []
        self._paths: list[np.ndarray] = []  # p^j, the oldest first
        self._inverses: list[np.ndarray] = []  # v^j = A^-1 p^j
        self._factors: list[tuple[float, float]] = []  # b^j of A, d^j of its inverse (eq. 9 and 13)
        self._generations = 0
        self._success = RankSuccess(np.full(len(self.weights), 1 / len(self.weights)), target=0.25)

    def draw(self) -> np.ndarray:
        """Draw d = A z, A applied vector by vector (algorithm 3)."""
        z = self.rng.standard_normal((self.size, self.dim))
        d, a = z, sqrt(1 - self._c_1)
        for path, inverse, (b, _) in zip(self._paths, self._inverses, self._factors, strict=True):
            d = a * d + b * np.outer(z @ inverse, path)
        return d

    def learn(self, order: np.ndarray, losses: np.ndarray, step: np.ndarray) -> None:
        """Update the path and the step size, and every T generations the vectors."""
        c = self._c_c
        self._path = (1 - c) * self._path + sqrt(c * (2 - c) * self.mu_w) * step
        if self._generations % self._interval == 0:
            self._store()
        self._generations += 1
        self.step *= self._success.factor(losses[order[: len(self.weights)]])

    def _store(self) -> None:
        dropped = len(self._paths)
        if dropped == self._memory:
            gaps = np.diff(self._ages) - self.dim
            dropped = 0 if not len(gaps) or gaps.min() > 0 else int(gaps.argmin()) + 1
            del self._paths[dropped], self._ages[dropped]
        self._paths.append(self._path.copy())
        self._ages.append(self._generations)
        del self._inverses[dropped:], self._factors[dropped:]
        for path in self._paths[dropped:]:
            inverse = self._inverse_of(path)
            self._inverses.append(inverse)
            self._factors.append(self._factor(float(inverse @ inverse)))

    def _inverse_of(self, vector: np.ndarray) -> np.ndarray:
        """Return A^-1 x by the preceding vectors (algorithm 4)."""
        x, c = vector, 1 / sqrt(1 - self._c_1)
        for inverse, (_, d) in zip(self._inverses, self._factors, strict=True):
            x = c * x - d * (inverse @ x) * inverse
        return x

    def _factor(self, square: float) -> tuple[float, float]:
        if square < TINY:
            return 0.0, 0.0
        root = sqrt(1 + self._c_1 / (1 - self._c_1) * square)
        a = sqrt(1 - self._c_1)
        return a / square * (root - 1), 1 / (a * square) * (1 - 1 / root)
