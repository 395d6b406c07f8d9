"""ARS (Mania, Guy and Recht, 2018, "Simple random search of static linear policies is competitive for RL"), version V1-t."""

from typing import Annotated, Any

import numpy as np
from pydantic import Field

import dfo_prompt as dp
from dfo_prompt_zo.mirrored import Mirrored


class ARS(Mirrored):
    """Steps along the directions with the lowest losses, scaled by the standard deviation of these losses.

    Args:
        learning_rate: alpha, the step size in units of sigma.
        best: b / N, the share of directions that is used.
        study: see `dfo_prompt.Optimizer`.
    """

    def __init__(
        self, *, learning_rate: dp.Positive = 0.5, best: Annotated[float, Field(gt=0, le=1)] = 0.5, **study: Any
    ) -> None:
        super().__init__(**study)
        self._rate = learning_rate * self.sigma
        self._used = max(1, round(best * self.pairs))

    def step(self, directions: np.ndarray, plus: np.ndarray, minus: np.ndarray) -> np.ndarray:
        """Return the change of x, (d,)."""
        used = np.minimum(plus, minus).argsort(kind="stable")[: self._used]
        plus, minus = plus[used], minus[used]
        deviation = float(np.concatenate([plus, minus]).std())
        if deviation == 0:
            return np.zeros(self.dim)
        change: np.ndarray = -self._rate / (self._used * deviation) * (plus - minus) @ directions[used]
        return change
