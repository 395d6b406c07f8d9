"""A projection from a file, as pretraining on other tasks leaves it."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from dfo_prompt.errors import InputError
from dfo_prompt.lm.projection import Space
from dfo_prompt.types import Matrix


def from_file(space: Space, rng: np.random.Generator, *, path: str) -> Matrix:  # noqa: ARG001 - nothing is drawn
    """Read A (P * E, d), the tensor "projection" of a safetensors file.

    Raises:
        InputError: there is no such file or tensor, or it does not fit.
    """
    try:
        tensors = load_file(Path(path))
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read projection {path}: {error}") from error
    if "projection" not in tensors:
        raise InputError(f"{path} holds no tensor named 'projection', but {', '.join(tensors) or 'nothing'}")
    matrix: Matrix = tensors["projection"].astype(np.float64)
    if matrix.shape != (space.entries, space.dim):
        wanted = f"({space.entries}, {space.dim}) for {space.tokens} tokens of width {space.width} and dim {space.dim}"
        raise InputError(f"{path} holds a projection of shape {matrix.shape}, not {wanted}")
    if not np.isfinite(matrix).all():
        raise InputError(f"{path} holds a projection with entries that are not finite")
    return matrix
