"""Projections from the search space to soft prompts: p = A z + p0 (Sun et al., 2022, eq. 2)."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from dfo_prompt.errors import InputError
from dfo_prompt.types import Matrix


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a projection is drawn for: prompts of P tokens in a space of width E, from z of dimension d.

    Attributes:
        mean, std: of the entries of the model's token embeddings.
    """

    dim: int
    tokens: int
    width: int
    mean: float
    std: float

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise InputError(f"prompt_tokens must be at least 1, not {self.tokens}")
        if self.dim > self.tokens * self.width:
            entries = f"{self.tokens} tokens of width {self.width}, {self.tokens * self.width} entries"
            raise InputError(f"dim {self.dim} is larger than the prompt: {entries}; lower --dim or raise --prompt-tokens")


class Projection:
    """The affine map z (B, d) -> A z + p0 (B, P, E), in float32 on the device of p0.

    Args:
        matrix: A, (P * E, d).
        start: p0, (P, E), the prompt of z = 0.
    """

    def __init__(self, matrix: Matrix, start: Tensor) -> None:
        self._matrix = torch.tensor(matrix, dtype=torch.float32, device=start.device)
        self._start = start.float()

    def __call__(self, candidates: Matrix) -> Tensor:
        """Return the soft prompts (B, P, E) of the candidates (B, d)."""
        z = torch.tensor(candidates, dtype=self._matrix.dtype, device=self._matrix.device)
        # Candidate by candidate, so that a prompt does not depend on which others share its batch.
        return torch.stack([(self._matrix @ one).view_as(self._start) + self._start for one in z])


def normal(space: Space, rng: np.random.Generator, *, alpha: float = 1.0, sigma: float = 1.0) -> Matrix:
    """Draw A (P * E, d) with entries N(0, (alpha * std / (sqrt(d) * sigma))^2).

    For z ~ N(0, sigma^2 I) the entries of A z then have `alpha` times the standard deviation of the token embeddings: the
    scaling of the reference code of Black-Box Tuning, after Sun et al. (2022b), with mean zero.
    """
    return rng.normal(0.0, alpha * space.std / (sqrt(space.dim) * sigma), (space.tokens * space.width, space.dim))


def matched(space: Space, rng: np.random.Generator) -> Matrix:
    """Draw A (P * E, d) with entries N(mu / (d - std^2), std^2 / (d - std^2)), mu and std being the embeddings'.

    The formula of BBTv2 (Sun et al., 2022b), under which A z has the embeddings' mean and deviation.
    """
    scale = space.dim - space.std**2
    if scale <= 0:
        raise InputError(f"projection 'matched' needs dim > {space.std**2:.3g}, the variance of the embeddings")
    return rng.normal(space.mean / scale, space.std / sqrt(scale), (space.tokens * space.width, space.dim))


def uniform(space: Space, rng: np.random.Generator) -> Matrix:
    """Draw A (P * E, d) uniform in +-1/sqrt(d), as a linear layer by default; the first version of Sun et al. (2022)."""
    bound = 1.0 / sqrt(space.dim)
    return rng.uniform(-bound, bound, (space.tokens * space.width, space.dim))
