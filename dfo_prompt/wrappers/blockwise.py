"""Optimizes blocks of coordinates in turn, with an optimizer per block (BBTv2: Sun et al., 2022b, algorithm 1)."""

from typing import Any

import numpy as np

from dfo_prompt._util.seeding import seed_of_part
from dfo_prompt.config.problem import Count
from dfo_prompt.contracts.optimizer import Best, Optimizer
from dfo_prompt.types import Bounds, Json, Matrix, Vector
from dfo_prompt.wrappers.wrapped import wrapped


class Blockwise(Optimizer):
    """Splits z into equal blocks and runs their optimizers in turn, from the first block (the bottom layer) to the last.

    A candidate is the best point so far with one block replaced, so its loss is that of a complete point. The reference code
    instead keeps the best block of each layer, although the layers below have changed since.

    Args:
        variant: the name of the blocks' optimizer.
        blocks: the number of blocks; d if there are fewer coordinates; for deep prompts the number of layers.
        whole: whether each block spends its whole share before the next block begins (second stage of BBT-RGB), so that the
            other blocks stay fixed; by default blocks take turns after each batch.
        study: see `Optimizer`; blocks share the budget equally.
    """

    def __init__(self, *, variant: str, blocks: Count = 2, whole: bool = False, **study: Any) -> None:
        super().__init__(**study)
        count = min(blocks, self.dim)
        self._places = np.array_split(np.arange(self.dim), count)
        self._inner = [
            wrapped(
                variant,
                dim=len(places),
                budget=-(-self.budget // count),
                seed=seed_of_part(self.seed, number),
                popsize=self.popsize,
                sigma=self.sigma,
                x0=self.x0[places],
                bounds=self._part(places),
            )
            for number, places in enumerate(self._places)
        ]
        self._turn = self._spent = 0
        self._share = -(-self.budget // count) if whole else 1
        self._best = Best(self.x0)

    def _part(self, places: Any) -> Bounds | None:
        """Return the bounds of the coordinates at `places`."""
        if self.bounds is None or np.ndim(self.bounds[0]) == 0:
            return self.bounds
        low, high = (np.asarray(side)[places] for side in self.bounds)
        return low, high

    def ask(self) -> Matrix:
        """Return candidates (B, d) that differ from the best point in one block."""
        parts = self._inner[self._turn].ask()
        candidates = np.tile(self._best.candidate, (len(parts), 1))
        candidates[:, self._places[self._turn]] = parts
        return candidates

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Update the block's optimizer and the best point, and switch to the next block."""
        self._inner[self._turn].tell(candidates[:, self._places[self._turn]], losses)
        self._best.learn(candidates, losses)
        self._spent += len(candidates)
        if self._spent >= self._share:
            self._turn, self._spent = (self._turn + 1) % len(self._inner), 0

    def recommend(self) -> Vector:
        """Return the best point told, (d,)."""
        return self._best.candidate.copy()

    def describe(self) -> dict[str, Json]:
        """Return the number of blocks and the description of the first block's optimizer."""
        return {"blocks": len(self._inner), "inner": self._inner[0].describe()}
