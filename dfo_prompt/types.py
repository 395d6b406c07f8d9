"""Array types that cross module borders."""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Vector: TypeAlias = npt.NDArray[np.float64]
"""One candidate z (d,), or one number per candidate (B,)."""

Matrix: TypeAlias = npt.NDArray[np.float64]
"""A population of candidates (B, d), one candidate a row."""

Bounds: TypeAlias = tuple[float, float] | tuple[Vector, Vector]
"""The box [low, high]: two finite numbers for every coordinate, or two vectors (d,), whose ends may be infinite."""

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
"""What a manifest or a journal line can hold."""

Options: TypeAlias = Mapping[str, object]
"""Keyword options, by name."""
