"""The base class of the evolution strategies, and rank-based adaptation of the step size."""

from abc import abstractmethod
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from scipy.stats import rankdata

import dfo_prompt as dp

Few = Annotated[int, Field(ge=1, le=500)]
"""A number of vectors or paths that are in memory at once."""


class Strategy(dp.Optimizer):
    """An evolution strategy that samples z = m + sigma d; recommends m.

    A subclass draws the directions d and adapts to the best ones. Candidates are clipped to the bounds; directions are not.

    Attributes:
        weights: (mu,) decreasing weights of the best directions, with sum 1.
        mu_w: variance-effective selection mass, 1 / sum w^2.
    """

    def __init__(self, **study: Any) -> None:
        super().__init__(**study)
        self.rng = np.random.default_rng(self.seed)
        self.mean, self.step = self.x0.copy(), self.sigma
        self.size = max(self.popsize, 4)
        raw = np.log((self.size + 1) / 2) - np.log(np.arange(1, self.size // 2 + 1))
        self.weights = raw / raw.sum()
        self.mu_w = float(1 / (self.weights**2).sum())
        self._directions = np.zeros((0, self.dim))

    @abstractmethod
    def draw(self) -> np.ndarray:
        """Draw a generation of directions d, (lambda, d)."""

    @abstractmethod
    def learn(self, order: np.ndarray, losses: np.ndarray, step: np.ndarray) -> None:
        """Adapt to a generation: `order` sorts its losses (lambda,), and `step` (d,) is (m_new - m_old) / sigma."""

    def ask(self) -> np.ndarray:
        """Sample a generation, (lambda, d)."""
        self._directions = self.draw()
        return self.inside(self.mean + self.step * self._directions)

    def tell(self, candidates: np.ndarray, losses: np.ndarray) -> None:  # noqa: ARG002 - the directions are used instead
        """Move the mean to the weighted best and adapt."""
        order = losses.argsort(kind="stable")
        step = self.weights @ self._directions[order[: len(self.weights)]]
        self.mean = self.inside(self.mean + self.step * step)
        self.learn(order, losses, step)
        self.step = float(np.clip(self.step, 1e-12 * self.sigma, 1e6 * self.sigma))  # it may drift on a plateau

    def recommend(self) -> np.ndarray:
        """Return the mean, (d,)."""
        return self.mean.copy()

    def describe(self) -> dict[str, Any]:
        """Return the effective population size."""
        return {"popsize": self.size}


class RankSuccess:
    """Rank-based step size adaptation, which grows while generations improve (Li and Zhang, 2018, eq. 12 to 14).

    Args:
        weights: (mu,) weights of the ranks.
        target: q*, the success rate at which the step size does not change.
        smoothing: c_s, the weight of the latest generation.
    """

    def __init__(self, weights: np.ndarray, *, target: float = 0.3, smoothing: float = 0.3) -> None:
        self._weights, self._target, self._smoothing = weights, target, smoothing
        self._before: np.ndarray | None = None
        self._success = 0.0

    def factor(self, best: np.ndarray) -> float:
        """Return the factor of sigma for the sorted best losses (mu,) of a generation."""
        before, self._before = self._before, best.copy()
        if before is None:
            return 1.0
        ranks = rankdata(np.concatenate([before, best]))  # ties share their rank
        mu = len(best)
        q = float(self._weights @ (ranks[:mu] - ranks[mu:])) / mu
        self._success = (1 - self._smoothing) * self._success + self._smoothing * (q - self._target)
        return float(np.exp(self._success))
