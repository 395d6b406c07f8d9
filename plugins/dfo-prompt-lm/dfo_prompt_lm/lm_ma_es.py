"""LM-MA-ES (Loshchilov, Glasmachers and Beyer, 2019, "... optimization by limited-memory matrix adaptation")."""

from math import log
from typing import Any

import numpy as np

from dfo_prompt_lm.strategy import Few, Strategy


class LMMAES(Strategy):
    """Limited-memory matrix adaptation, which transforms a normal vector by a product of m rank-one updates.

    Args:
        memory: m, the number of vectors; by default 4 + 3 ln d.
        study: see `dfo_prompt.Optimizer`.
    """

    def __init__(self, *, memory: Few | None = None, **study: Any) -> None:
        super().__init__(**study)
        m = memory or 4 + int(3 * log(self.dim))
        i = np.arange(m)
        self._c_sigma = min(2 * self.size / self.dim, 0.5)
        self._c_d = np.minimum(1 / (1.5**i * self.dim), 0.5)
        self._c_c = np.minimum(self.size / (4.0**i * self.dim), 0.5)
        self._path = np.zeros(self.dim)  # p_sigma
        self._vectors = np.zeros((m, self.dim))  # m_i
        self._generations = 0
        self._normal = np.zeros((0, self.dim))

    def draw(self) -> np.ndarray:
        """Draw d = M z (algorithm 1, lines 6 to 11)."""
        self._normal = self.rng.standard_normal((self.size, self.dim))
        d = self._normal
        for c, vector in list(zip(self._c_d, self._vectors, strict=True))[: self._generations]:
            d = (1 - c) * d + c * np.outer(d @ vector, vector)
        return d

    def learn(self, order: np.ndarray, losses: np.ndarray, step: np.ndarray) -> None:  # noqa: ARG002
        """Update the path, the vectors and the step size (lines 13 to 17)."""
        z = self.weights @ self._normal[order[: len(self.weights)]]
        c = self._c_sigma
        self._path = (1 - c) * self._path + np.sqrt(self.mu_w * c * (2 - c)) * z
        c_c = self._c_c[:, None]
        self._vectors = (1 - c_c) * self._vectors + np.sqrt(self.mu_w * c_c * (2 - c_c)) * z
        self.step *= float(np.exp(c / 2 * (self._path @ self._path / self.dim - 1)))
        self._generations += 1
