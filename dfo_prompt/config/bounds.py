"""Bounds of candidates: two numbers for all coordinates, or a number per coordinate; an infinite end means unbounded."""

from collections.abc import Sequence
from math import inf
from typing import Annotated, TypeAlias

import numpy as np
from pydantic import BeforeValidator

from dfo_prompt.types import Bounds, Json, Vector

ENDS = {"inf": inf, "-inf": -inf}
"""Texts for infinite ends in manifests, as JSON has no infinity."""


def read_end(value: object) -> object:
    """Replace the text of an infinite end by its number, also inside a list; return anything else unchanged."""
    if isinstance(value, list | tuple):
        return [read_end(item) for item in value]
    return ENDS.get(value, value) if isinstance(value, str) else value


Side = Annotated[float | list[float], BeforeValidator(read_end)]
Box: TypeAlias = tuple[Side, Side]
"""Low and high, each a number or a list of d."""


def check_box(box: Box, dim: int) -> None:
    """Refuse an empty box, or one of the wrong dimension.

    Raises:
        ValueError: low is not below high in some coordinate, or a side has not `dim` coordinates.
    """
    for side in box:
        if isinstance(side, list) and len(side) != dim:
            raise ValueError(f"bounds have {len(side)} coordinates, dim is {dim}")
    low, high = sides(box, dim)
    if not (low < high).all():
        first = int(np.argmin(low < high))
        fault = f"in coordinate {first + 1}" if any(isinstance(side, list) for side in box) else f"{list(box)}"
        raise ValueError(f"bounds must be [low, high] with low < high, not {fault}")


def check_start(box: Box, start: Sequence[float]) -> None:
    """Refuse an initial point (d,) outside the box.

    Raises:
        ValueError: a coordinate is outside.
    """
    low, high = sides(box, len(start))
    for i, value in enumerate(start):
        if not low[i] <= value <= high[i]:
            raise ValueError(f"x0 starts at {value:g}, outside the bounds {[float(low[i]), float(high[i])]}; set x0")


def sides(box: Box, dim: int) -> tuple[Vector, Vector]:
    """Return both ends of a box as vectors (d,)."""
    low, high = (np.broadcast_to(np.asarray(side, dtype=np.float64), dim) for side in box)
    return low.copy(), high.copy()


def given_to_optimizers(box: Box, dim: int) -> Bounds:
    """Return the box in the form that optimizers receive: two finite numbers if possible, else two vectors (d,)."""
    low, high = box
    if not isinstance(low, list) and not isinstance(high, list) and np.isfinite(low) and np.isfinite(high):
        return low, high
    return sides(box, dim)


def default_start(box: Box | None, dim: int, sigma: float) -> Vector:
    """Return the default initial point (d,).

    A coordinate starts at zero if the box contains zero, else at the midpoint of two finite ends, or sigma inside a single
    finite end.
    """
    start = np.zeros(dim)
    if box is None:
        return start
    low, high = sides(box, dim)
    for i in np.flatnonzero((low > 0) | (high < 0)):
        if np.isfinite(low[i]) and np.isfinite(high[i]):
            start[i] = low[i] + (high[i] - low[i]) / 2
        else:
            start[i] = low[i] + sigma if np.isfinite(low[i]) else high[i] - sigma
    return start


def storable(box: Json) -> Json:
    """Return the box as plain data with infinite ends as texts."""
    if isinstance(box, list):
        return [storable(side) for side in box]
    return str(box) if isinstance(box, float) and not np.isfinite(box) else box
