"""A linear model of the outputs in the subspace of well placed points (Wild, Regis and Shoemaker, 2008, algorithm 4.1)."""

from dataclasses import dataclass

import numpy as np

import dfo_prompt as dp

PIVOT = 0.05
"""The least share of a displacement that must be new for a point to add a direction."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """F(z + t Q) = F(z) + t J.

    Attributes:
        basis: Q, (k, d), orthonormal, the directions of near points first.
        slopes: J, (k, M).
        reach: the distance of the furthest point used.
    """

    basis: dp.Matrix
    slopes: dp.Matrix
    reach: float


def interpolate(away: dp.Matrix, change: dp.Matrix, *, ridge: float) -> Model:
    """Fit a model to displacements (n, d), the nearest first, and changes of outputs (n, M), skipping redundant points.

    Args:
        away, change: the displacements of points and the changes of their outputs.
        ridge: penalty of the slopes, relative to the largest squared singular value of the unit displacements.
    """
    distances = np.linalg.norm(away, axis=1)
    units = away / distances[:, None]
    basis = np.zeros((min(away.shape), away.shape[1]))
    used: list[int] = []
    for i, unit in enumerate(units):
        if len(used) == len(basis):
            break
        rest = unit
        for _ in range(2):  # repeated to reduce rounding errors
            rest = rest - (basis[: len(used)] @ rest) @ basis[: len(used)]
        if (length := float(np.linalg.norm(rest))) > PIVOT:
            basis[len(used)] = rest / length
            used.append(i)
    basis = basis[: len(used)]
    spread, along = units[used] @ basis.T, change[used] / distances[used, None]  # (k, k), (k, M)
    gram = spread @ spread.T
    penalty = ridge * float(np.linalg.norm(gram, 2)) if used else 0.0
    slopes = spread.T @ np.linalg.solve(gram + penalty * np.eye(len(used)), along)
    return Model(basis=basis, slopes=slopes, reach=float(distances[used].max(initial=0.0)))
