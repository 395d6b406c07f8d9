"""Projections with the whole matrix in memory."""

from math import sqrt

import numpy as np

from dfo_prompt.errors import InputError
from dfo_prompt.prompt.projections.affine import Scale, Space
from dfo_prompt.types import Matrix

MAX_ENTRIES = 2**28
"""The largest number of entries of a matrix: 1 GB in float32."""


def normal(space: Space, rng: np.random.Generator, *, alpha: Scale = 1.0, sigma: Scale = 1.0) -> Matrix:
    """Draw A (P * E, d) with independent normal entries of mean zero; see `Space.deviation`.

    Args:
        space, rng: sizes and scale, and the random generator.
        alpha: factor of the prompt's scale; with 1, A z has the deviation of the embeddings for z ~ N(0, sigma^2 I).
        sigma: the deviation of z that `alpha` assumes; it does not follow the study's sigma.
    """
    return rng.normal(0.0, space.deviation(alpha, sigma), _shape(space))


def matched(space: Space, rng: np.random.Generator) -> Matrix:
    """Draw A (P * E, d) with entries N(mu / (d - std^2), std^2 / (d - std^2)), for embeddings with moments mu and std.

    By this formula of BBTv2 (Sun et al., 2022b), A z for a z of ones has the mean and deviation of the embeddings.

    Raises:
        InputError: d is at most the variance of the embeddings.
    """
    scale = space.dim - space.std**2
    if scale <= 0:
        raise InputError(f"projection 'matched' needs dim > {space.std**2:.3g}, the variance of the embeddings")
    return rng.normal(space.mean / scale, space.std / sqrt(scale), _shape(space))


def uniform(space: Space, rng: np.random.Generator) -> Matrix:
    """Draw A (P * E, d) uniform in +-1/sqrt(d), the default of a linear layer; the first version of Sun et al. (2022)."""
    bound = 1.0 / sqrt(space.dim)
    return rng.uniform(-bound, bound, _shape(space))


def orthogonal(space: Space, rng: np.random.Generator, *, alpha: Scale = 1.0, sigma: Scale = 1.0) -> Matrix:
    """Draw A (P * E, d) with orthogonal columns of equal length, which preserves all distances up to scale.

    Args:
        space, rng: sizes and scale, and the random generator.
        alpha: factor of the prompt's scale; with 1, A z has the deviation of the embeddings for z ~ N(0, sigma^2 I).
        sigma: the deviation of z that `alpha` assumes; it does not follow the study's sigma.
    """
    columns, upper = np.linalg.qr(rng.standard_normal(_shape(space)))
    columns *= np.sign(np.diag(upper))  # makes the columns uniformly distributed (Mezzadri, 2007)
    scaled: Matrix = columns * (space.deviation(alpha, sigma) * sqrt(space.entries))
    return scaled


def _shape(space: Space) -> tuple[int, int]:
    if space.entries * space.dim > MAX_ENTRIES:
        size = f"{space.entries} x {space.dim} entries, {space.entries * space.dim / 2**28:.0f} GB"
        raise InputError(
            f"this projection needs a matrix of {size}; use fastfood, sparse, count-sketch or low-rank, or a smaller dim"
        )
    return space.entries, space.dim
