"""SPSA (Spall, 1998, "Implementation of the simultaneous perturbation algorithm")."""

from typing import Any

import numpy as np

import dfo_prompt as dp
from dfo_prompt_zo.mirrored import Mirrored

ALPHA, GAMMA = 0.602, 0.101
"""The exponents of the gains that Spall recommends."""


class SPSA(Mirrored):
    """SPSA with random signs as directions and gains a_k = a / (A + k)^0.602 and c_k = sigma / k^0.101.

    Args:
        first_step: mean first step of a coordinate, in units of sigma, which determines a from the first batch (section
            III.B.7).
        study: see `dfo_prompt.Optimizer`.
    """

    def __init__(self, *, first_step: dp.Positive = 0.2, **study: Any) -> None:
        super().__init__(**study)
        self._first_step = first_step
        self._stability = 0.1 * self.budget / (2 * self.pairs)  # A
        self._gain: float | None = None  # a
        self._k = 1

    def radius(self) -> float:
        """Return c_k."""
        return float(self.sigma / self._k**GAMMA)

    def draw(self) -> np.ndarray:
        """Draw signs, (B/2, d)."""
        return self.rng.choice([-1.0, 1.0], (self.pairs, self.dim))

    def step(self, directions: np.ndarray, plus: np.ndarray, minus: np.ndarray) -> np.ndarray:
        """Return the change of x, (d,)."""
        gradient: np.ndarray = (plus - minus) @ directions / (2 * self.radius() * self.pairs)
        size = float(np.abs(gradient).mean())
        if self._gain is None and size > 0:
            self._gain = self._first_step * self.sigma * (self._stability + 1) ** ALPHA / size
        change = -(self._gain or 0.0) / (self._stability + self._k) ** ALPHA * gradient
        self._k += 1
        return change
