"""Stores evaluated points and their outputs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import dfo_prompt as dp


@dataclass(frozen=True, kw_only=True)
class Point:
    """A candidate (d,) with its loss and its outputs (M,)."""

    z: dp.Vector
    loss: float
    outputs: dp.Vector


class Points:
    """The latest points, and the best of all points.

    Args:
        memory: number of latest points to store, at least 1.

    Attributes:
        best: the best point; None until outputs are told.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._kept: list[Point] = []
        self.best: Point | None = None

    def add(self, candidates: dp.Matrix, losses: dp.Vector, outputs: dp.Matrix) -> None:
        """Store the candidates (B, d) whose outputs (B, M) are finite."""
        known = [
            Point(z=candidates[i].copy(), loss=float(losses[i]), outputs=outputs[i].copy()) for i in _finite_rows(outputs)
        ]
        for point in known:
            if self.best is None or point.loss < self.best.loss:
                self.best = point
        self._kept = [*self._kept, *known][-self._memory :]

    def forget(self) -> None:
        """Forget all points except the best."""
        self._kept = []

    def around(self, center: Point) -> tuple[dp.Matrix, dp.Matrix]:
        """Return the displacements (k, d) of stored points from `center`, the nearest first, and those of outputs (k, M)."""
        if not self._kept:
            return np.zeros((0, len(center.z))), np.zeros((0, len(center.outputs)))
        displacements = np.stack([point.z for point in self._kept]) - center.z
        changes = np.stack([point.outputs for point in self._kept]) - center.outputs
        distances = np.linalg.norm(displacements, axis=1)
        order = [i for i in np.argsort(distances, kind="stable") if distances[i] > 0]
        return displacements[order], changes[order]


def _finite_rows(outputs: dp.Matrix) -> Iterator[int]:
    return (i for i, row in enumerate(outputs) if np.isfinite(row).all())
