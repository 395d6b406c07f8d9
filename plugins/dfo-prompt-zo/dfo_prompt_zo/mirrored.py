"""Mirrored sampling: pairs of candidates on either side of the current point."""

from abc import abstractmethod
from typing import Any

import numpy as np

import dfo_prompt as dp


class Mirrored(dp.Optimizer):
    """Evaluates x + c u and x - c u, moves x by the differences of their losses, and recommends x.

    Candidates and x are clipped to the bounds.

    Attributes:
        point: x (d,).
        pairs: number of pairs, half of the population.
    """

    def __init__(self, **study: Any) -> None:
        super().__init__(**study)
        self.rng = np.random.default_rng(self.seed)
        self.point = self.x0.copy()
        self.pairs = max(1, self.popsize // 2)
        self._directions = np.zeros((0, self.dim))

    @abstractmethod
    def step(self, directions: np.ndarray, plus: np.ndarray, minus: np.ndarray) -> np.ndarray:
        """Return the change of x, (d,), for directions u (B/2, d) and the losses (B/2,) on either side."""

    def radius(self) -> float:
        """Return c, by default the step size of the study."""
        return self.sigma

    def draw(self) -> np.ndarray:
        """Draw directions u, (B/2, d)."""
        return self.rng.standard_normal((self.pairs, self.dim))

    def ask(self) -> np.ndarray:
        """Return the candidates, (B, d): all x + c u, then all x - c u."""
        self._directions = self.draw()
        steps = self.radius() * self._directions
        return self._inside(self.point + np.concatenate([steps, -steps]))

    def tell(self, candidates: np.ndarray, losses: np.ndarray) -> None:  # noqa: ARG002 - the directions are used instead
        """Move x by the step of the method."""
        plus, minus = losses[: self.pairs], losses[self.pairs :]
        self.point = self._inside(self.point + self.step(self._directions, plus, minus))

    def recommend(self) -> np.ndarray:
        """Return x, (d,)."""
        return self.point.copy()

    def describe(self) -> dict[str, Any]:
        """Return the number of pairs."""
        return {"pairs": self.pairs}

    def _inside(self, z: np.ndarray) -> np.ndarray:
        # Clipped to a finite range, because x could not recover from an overflow.
        far = 1e6 * self.sigma + np.abs(self.x0).max()
        return self.inside(z.clip(-far, far))
