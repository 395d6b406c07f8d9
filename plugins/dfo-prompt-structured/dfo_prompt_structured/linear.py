"""Fits linear models of the outputs around a point, by interpolation or by regression."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

import dfo_prompt as dp

Ridge = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A penalty of the slopes."""
PIVOT = 0.05
"""The smallest share of a displacement outside the subspace for which a point adds a direction."""
MIN_SINGULAR = 1e-10
"""The relative size below which singular values are dropped."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """The model F(z + t Q) = F(z) + t J.

    Attributes:
        basis: Q (k, d), orthonormal.
        slopes: J (k, M).
        reach: distance of the furthest point used.
    """

    basis: dp.Matrix
    slopes: dp.Matrix
    reach: float


def interpolate(displacements: dp.Matrix, changes: dp.Matrix, *, ridge: float) -> Model:
    """Fit a model to the nearest points whose displacements are far from linearly dependent.

    Source: Wild, Regis and Shoemaker (2008), algorithm 4.1. The directions of the basis follow the order of the points.

    Args:
        displacements: (n, d) displacements of points from the centre, the nearest first.
        changes: (n, M) changes of their outputs from those of the centre.
        ridge: penalty of the slopes, relative to the largest squared singular value of the unit displacements.
    """
    distances = np.linalg.norm(displacements, axis=1)
    units = displacements / distances[:, None]
    basis = np.zeros((min(displacements.shape), displacements.shape[1]))
    used: list[int] = []
    for i, unit in enumerate(units):
        if len(used) == len(basis):
            break
        rest = unit
        for _ in range(2):  # twice, to reduce rounding errors
            rest = rest - (basis[: len(used)] @ rest) @ basis[: len(used)]
        if (length := float(np.linalg.norm(rest))) > PIVOT:
            basis[len(used)] = rest / length
            used.append(i)
    basis = basis[: len(used)]
    spread, derivatives = units[used] @ basis.T, changes[used] / distances[used, None]  # (k, k), (k, M)
    gram = spread @ spread.T
    penalty = ridge * float(np.linalg.norm(gram, 2)) if used else 0.0
    slopes = spread.T @ np.linalg.solve(gram + penalty * np.eye(len(used)), derivatives)
    return Model(basis=basis, slopes=slopes, reach=float(distances[used].max(initial=0.0)))


def regress(displacements: dp.Matrix, changes: dp.Matrix, *, radius: float, ridge: float) -> Model:
    """Fit a model to all points by ridge regression with weights 1 / (1 + (distance / 2 radius)^2).

    Args:
        displacements, changes: see `interpolate`.
        radius: radius of the ball in which the model is used.
        ridge: penalty of the slopes, relative to the largest squared singular value of the weighted displacements.
    """
    distances = np.linalg.norm(displacements, axis=1, keepdims=True)
    roots = 1 / np.sqrt(1 + (distances / (2 * radius)) ** 2)
    left, widths, basis = np.linalg.svd(roots * displacements, full_matrices=False)
    kept = widths > MIN_SINGULAR * widths.max(initial=0.0)
    left, widths, basis = left[:, kept], widths[kept], basis[kept]
    penalty = ridge * float(widths.max(initial=0.0)) ** 2
    slopes = (widths / (widths**2 + penalty))[:, None] * (left.T @ (roots * changes))
    return Model(basis=basis, slopes=slopes, reach=float(distances.max(initial=0.0)))
