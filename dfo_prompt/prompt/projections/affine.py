"""Affine projections from the search space to soft prompts: p = A z + p0 (Sun et al., 2022, eq. 2)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from torch import Tensor, nn

from dfo_prompt._util.parsing import Positive
from dfo_prompt.errors import InputError, PluginError
from dfo_prompt.types import Matrix

Scale = Positive
"""A factor of the scale of a projection; see `Space.deviation`."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """The sizes and the scale of a projection.

    Attributes:
        dim: d, the dimension of z.
        tokens: P, the number of prompt tokens.
        width: E, the embedding width.
        mean: mean of the entries of the embeddings that the prompt stands among.
        std: standard deviation of these entries.

    Raises:
        InputError: P is below 1, or d exceeds P E.
    """

    dim: int
    tokens: int
    width: int
    mean: float
    std: float

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise InputError(f"prompt_tokens must be at least 1, not {self.tokens}")
        if self.dim > self.entries:
            entries = f"{self.tokens} tokens of width {self.width}, {self.entries} entries"
            raise InputError(f"dim {self.dim} is larger than the prompt: {entries}; lower --dim or raise --prompt-tokens")

    @property
    def entries(self) -> int:
        """Return D = P E, the number of entries of a prompt."""
        return self.tokens * self.width

    def deviation(self, alpha: float, sigma: float) -> float:
        """Return the standard deviation for the entries of A (P E, d): alpha * std / (sqrt(d) * sigma).

        For z ~ N(0, sigma^2 I), the entries of A z then have `alpha` times the standard deviation of the embeddings, as in
        the reference code of Black-Box Tuning (Sun et al., 2022b), but with mean zero.
        """
        return alpha * self.std / (sqrt(self.dim) * sigma)


class Dense(nn.Module):
    """The map z (d,) -> A z (D,) with A (D, d) in memory."""

    matrix: Tensor

    def __init__(self, matrix: Matrix) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.tensor(matrix, dtype=torch.float32))

    def forward(self, z: Tensor) -> Tensor:
        """Return A z."""
        return self.matrix @ z


class Projection:
    """The affine map z (B, d) -> A z + p0 (B, P, E), in float32 on the device of p0.

    Args:
        linear: A, as an array (P * E, d) or a module that maps z (d,) to A z (P * E,).
        start: p0 (P, E), the prompt of z = 0.
    """

    def __init__(self, linear: Matrix | nn.Module, start: Tensor) -> None:
        module = Dense(linear) if isinstance(linear, np.ndarray) else linear
        self._linear = module.to(start.device).eval().requires_grad_(requires_grad=False)
        self._start = start.float()

    @torch.inference_mode()
    def __call__(self, candidates: Matrix) -> Tensor:
        """Return the soft prompts (B, P, E) of the candidates (B, d)."""
        z = torch.tensor(candidates, dtype=torch.float32, device=self._start.device)
        # One candidate at a time, so that a prompt does not depend on the others of its batch.
        return torch.stack([self._linear(row).view_as(self._start) + self._start for row in z])


Draw = Callable[[Space, np.random.Generator], Matrix | nn.Module]
"""Draws A for a space."""
Project = Callable[[Space, Tensor, int], Projection]
"""Builds the projection of a layer from its space, p0 and index."""


def projector(draw: Draw, stream: Sequence[int], name: str = "") -> Project:
    """Return a function that builds each layer's projection, drawn from a random stream of the layer.

    Args:
        draw: draws A. A module that initializes itself uses torch's generator, which is seeded from the stream, too.
        stream: the seeds of the stream.
        name: name of the projection, for errors.

    Raises:
        PluginError: by the returned function: A has another shape, or entries that are not finite.
    """

    def project(space: Space, start: Tensor, layer: int) -> Projection:
        own = int(np.random.default_rng([*stream, layer, 1]).integers(2**63))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(own)
            linear = draw(space, np.random.default_rng([*stream, layer]))
        if fault := _fault(linear, space, start):
            raise PluginError(f"projection {name!r} {fault}")
        return Projection(linear, start)

    return project


def _fault(linear: object, space: Space, start: Tensor) -> str:
    """Return the defect of a map A; "" if it has none."""
    if isinstance(linear, np.ndarray):
        if linear.shape != (space.entries, space.dim):
            return f"has the shape {linear.shape}, not {(space.entries, space.dim)}"
        return "" if np.isfinite(linear).all() else "has entries that are not finite"
    if not isinstance(linear, nn.Module):
        return f"is a {type(linear).__name__}, neither an array nor a torch module"
    with torch.inference_mode():
        mapped = linear.to(start.device).eval()(torch.zeros(space.dim, device=start.device))
    if mapped.shape != (space.entries,):
        return f"maps a candidate to the shape {tuple(mapped.shape)}, not {(space.entries,)}"
    return ""
