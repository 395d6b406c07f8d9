"""Direct search in random subspaces (Roberts and Royer, 2023, "... based on probabilistic descent in reduced spaces")."""

from typing import Annotated, Any

import numpy as np
from pydantic import Field

import dfo_prompt as dp


class DirectSearch(dp.Optimizer):
    """Polls in both directions along random orthonormal vectors around the best point; recommends that point.

    A poll is a batch. The step alpha grows if the best loss of the poll is below the best so far by c alpha^2, and otherwise
    shrinks (algorithm 1, with complete polling).

    Args:
        grow: factor of the step after a success.
        shrink: factor of the step after a failure.
        decrease: c, the required decrease of the loss, in units of the squared step relative to sigma.
        study: see `dfo_prompt.Optimizer`.
    """

    def __init__(
        self,
        *,
        grow: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0,
        shrink: Annotated[float, Field(gt=0, lt=1)] = 0.5,
        decrease: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-5,
        **study: Any,
    ) -> None:
        super().__init__(**study)
        self._rng = np.random.default_rng(self.seed)
        self._grow, self._shrink, self._decrease = grow, shrink, decrease
        self._best = dp.Best(self.x0)
        self._relative = 1.0  # alpha / sigma

    def ask(self) -> np.ndarray:
        """Return x0 first, then polls (2 r, d) in r directions."""
        if not np.isfinite(self._best.loss):
            return self.x0[None, :].copy()
        count = max(1, min(self.popsize // 2, self.dim))
        directions = np.linalg.qr(self._rng.standard_normal((self.dim, count)))[0].T  # (r, d)
        # sigma is the step of a coordinate, as in evolution strategies.
        steps = self.sigma * self._relative * np.sqrt(self.dim) * directions
        return self.inside(self._best.candidate + np.concatenate([steps, -steps]))

    def tell(self, candidates: np.ndarray, losses: np.ndarray) -> None:
        """Move to the best of the poll and adapt the step."""
        first = not np.isfinite(self._best.loss)
        success = losses.min() < self._best.loss - self._decrease * self._relative**2
        self._best.learn(candidates, losses)
        if not first:
            factor = self._grow if success else self._shrink
            self._relative = float(np.clip(self._relative * factor, 1e-9, 10.0))

    def recommend(self) -> np.ndarray:
        """Return the best candidate told, (d,)."""
        return self._best.candidate.copy()

    def describe(self) -> dict[str, Any]:
        """Return the number of directions of a poll."""
        return {"directions": max(1, min(self.popsize // 2, self.dim))}
