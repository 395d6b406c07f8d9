"""Types shared between modules."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Vector: TypeAlias = npt.NDArray[np.float64]
"""float64, one dimension: a candidate z (d,), or a number per candidate (B,)."""

Matrix: TypeAlias = npt.NDArray[np.float64]
"""float64, two or more dimensions; the docstring gives the shape. Mostly candidates (B, d), one per row."""

Bounds: TypeAlias = tuple[float, float] | tuple[Vector, Vector]
"""The box [low, high]: two finite numbers for every coordinate, or two vectors (d,) with possibly infinite ends."""

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
"""A value that can be stored in a manifest or a journal line."""

FLOAT = np.dtype("<f8")
"""Numbers in files and on the wire: little-endian float64."""

Options: TypeAlias = Mapping[str, object]
"""Keyword options, by name."""

Function: TypeAlias = Callable[[Any], Any]
"""Maps a candidate (d,) to its loss, or candidates (B, d) to losses (B,)."""
