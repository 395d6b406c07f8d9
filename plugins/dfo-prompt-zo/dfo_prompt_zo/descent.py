"""Gradient descent and Adam on gradients estimated from two points (MeZO, OpenAI-ES)."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

import dfo_prompt as dp
from dfo_prompt_zo.mirrored import Mirrored

Decay = Annotated[float, Field(ge=0, lt=1)]


class Descent(Mirrored):
    """Descends along g = sum u (f(x + c u) - f(x - c u)) / (2 c k), a gradient estimate from k pairs.

    Args:
        rule: "sgd" (Malladi et al., 2023, algorithm 1) or "adam" (Kingma and Ba, 2015).
        learning_rate: for "adam" the step of a coordinate, by default sigma / 4; for "sgd" the factor of g, by default
            k / (2 (k + d + 1)).
        shaping: "none", or "ranks" for centred ranks instead of losses (Salimans et al., 2017, section 2).
        beta1: decay of the first moment in Adam.
        beta2: decay of the second moment in Adam.
        study: see `dfo_prompt.Optimizer`.
    """

    def __init__(
        self,
        *,
        rule: Literal["sgd", "adam"] = "adam",
        learning_rate: dp.Positive | None = None,
        shaping: Literal["none", "ranks"] = "none",
        beta1: Decay = 0.9,
        beta2: Decay = 0.99,
        **study: Any,
    ) -> None:
        super().__init__(**study)
        # The noise of k directions in d dimensions bounds the stable rate on a quadratic of unit curvature.
        default = self.sigma / 4 if rule == "adam" else 0.5 * self.pairs / (self.pairs + self.dim + 1)
        self._rate = default if learning_rate is None else learning_rate
        self._rule, self._shaping, self._betas = rule, shaping, (beta1, beta2)
        self._first, self._second = np.zeros(self.dim), np.zeros(self.dim)
        self._steps = 0

    def step(self, directions: np.ndarray, plus: np.ndarray, minus: np.ndarray) -> np.ndarray:
        """Return the change of x, (d,)."""
        if self._shaping == "ranks":
            plus, minus = np.split(_centred_ranks(np.concatenate([plus, minus])), 2)
        gradient: np.ndarray = (plus - minus) @ directions / (2 * self.sigma * self.pairs)
        return -self._rate * gradient if self._rule == "sgd" else self._adam(gradient)

    def _adam(self, gradient: np.ndarray) -> np.ndarray:
        beta1, beta2 = self._betas
        self._steps += 1
        self._first = beta1 * self._first + (1 - beta1) * gradient
        self._second = beta2 * self._second + (1 - beta2) * gradient**2
        first = self._first / (1 - beta1**self._steps)
        second = self._second / (1 - beta2**self._steps)
        change: np.ndarray = -self._rate * first / (np.sqrt(second) + 1e-12)
        return change


def _centred_ranks(losses: np.ndarray) -> np.ndarray:
    """Return ranks in [-1/2, 1/2]; ties share their rank, so that a plateau gives no gradient."""
    below = (losses[:, None] > losses).sum(axis=1) + 0.5 * ((losses[:, None] == losses).sum(axis=1) - 1)
    ranks: np.ndarray = below / max(len(losses) - 1, 1) - 0.5
    return ranks
