"""Bounds of candidates: a pair of numbers for every coordinate, or a number for each; an infinite end is none."""

from collections.abc import Sequence
from math import inf
from typing import Annotated, TypeAlias

import numpy as np
from pydantic import BeforeValidator

from dfo_prompt.types import Bounds, Json, Vector

ENDS = {"inf": inf, "-inf": -inf}
"""As manifests hold them: JSON has no infinity."""


def read_end(given: object) -> object:
    """Return a number for the text of an infinite end, also inside a list; anything else as it is."""
    if isinstance(given, list | tuple):
        return [read_end(item) for item in given]
    return ENDS.get(given, given) if isinstance(given, str) else given


Side = Annotated[float | list[float], BeforeValidator(read_end)]
Box: TypeAlias = tuple[Side, Side]
"""Low and high, each a number or a list of d."""


def check_box(box: Box, dim: int) -> None:
    """Refuse a box without an inside, or of other dimensions.

    Raises:
        ValueError: it is one.
    """
    for side in box:
        if isinstance(side, list) and len(side) != dim:
            raise ValueError(f"bounds have {len(side)} coordinates, dim is {dim}")
    low, high = sides(box, dim)
    if not (low < high).all():
        at = int(np.argmin(low < high))
        said = f"in coordinate {at + 1}" if any(isinstance(side, list) for side in box) else f"{list(box)}"
        raise ValueError(f"bounds must be [low, high] with low < high, not {said}")


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
    """Return the box as an optimizer is given it: two finite numbers, else two vectors (d,)."""
    low, high = box
    if not isinstance(low, list) and not isinstance(high, list) and np.isfinite(low) and np.isfinite(high):
        return low, high
    return sides(box, dim)


def usual_start(box: Box | None, dim: int, sigma: float) -> Vector:
    """Return the initial point (d,) unless a study says otherwise.

    A coordinate starts at zero where that is in the box, else in the middle of its two ends, or a step inside its only one.
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
    """Return plain data of a box with its infinite ends as texts."""
    if isinstance(box, list):
        return [storable(side) for side in box]
    return str(box) if isinstance(box, float) and not np.isfinite(box) else box
