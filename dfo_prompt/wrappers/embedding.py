"""Searches random subspaces of a large space, z = c + A y."""

from typing import Any

import numpy as np

from dfo_prompt.config.problem import Count
from dfo_prompt.contracts.optimizer import Best, Optimizer
from dfo_prompt.types import Json, Matrix, Vector
from dfo_prompt.wrappers.wrapped import wrapped


class RandomEmbedding(Optimizer):
    """Searches y in a sequence of random subspaces of R^d, each through the best point c of the previous one.

    With one draw this is REMBO (Wang et al., 2016, algorithm 2): z = x0 + A y. With several and `withdraw` it is the
    sequential random embedding of Qian, Hu and Yu (2016, algorithm 2), z = x0 + a (c - x0) + A y, where a, initially one, is
    also searched, so that earlier steps can be withdrawn. Without `withdraw` only A is redrawn. The entries of A are
    N(0, 1 / d'), so that a step of sigma in y moves each coordinate of z by about sigma. Candidates are clipped to the
    bounds.

    Args:
        variant: the name of the optimizer of y; each draw starts a new one with an equal share of the budget.
        embedding_dim: d', the dimension of y; at most d.
        draws: the number of subspaces.
        withdraw: whether to search a as well, from the second draw on.
        study: see `Optimizer`.
    """

    def __init__(
        self, *, variant: str, embedding_dim: Count = 10, draws: Count = 1, withdraw: bool = False, **study: Any
    ) -> None:
        super().__init__(**study)
        self._variant, self._withdraw = variant, withdraw
        self._embedding_dim = min(embedding_dim, self.dim)
        self._draws = draws
        self._share = -(-self.budget // self._draws)
        self._rng = np.random.default_rng(self.seed)
        self._drawn = self._spent = 0
        self._best = Best(self.x0)
        self._draw()

    def ask(self) -> Matrix:
        """Return candidates (B, d) of the subspace."""
        self._asked = self._inner.ask()
        return np.stack([self._place(y) for y in self._asked])

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Update the inner optimizer and the best point, and draw a new subspace when the current share is spent."""
        self._inner.tell(self._asked, losses)
        self._best.learn(candidates, losses)
        self._spent += len(candidates)
        if self._drawn < self._draws and self._spent >= self._share * self._drawn:
            self._draw()

    def recommend(self) -> Vector:
        """Return the inner optimizer's recommendation, (d,)."""
        return self._place(self._inner.recommend())

    def describe(self) -> dict[str, Json]:
        """Return the dimension, the number of the current subspace and the description of its optimizer."""
        return {"embedding_dim": self._embedding_dim, "draw": self._drawn, "inner": self._inner.describe()}

    def _draw(self) -> None:
        self._center = self._best.candidate.copy()
        scale = self._embedding_dim**-0.5
        self._matrix = scale * self._rng.standard_normal((self.dim, self._embedding_dim))  # (d, d')
        if self._withdraw and self._drawn:
            self._matrix = np.column_stack([self._matrix, self._center - self.x0])  # the last coordinate of y is a - 1
        self._drawn += 1
        width = self._matrix.shape[1]
        self._inner = wrapped(
            self._variant,
            dim=width,
            budget=self._share,
            seed=int(self._rng.integers(2**32)),
            popsize=self.popsize,
            sigma=self.sigma,
            x0=np.zeros(width),
        )

    def _place(self, y: Vector) -> Vector:
        return self.inside(self._center + self._matrix @ y)
