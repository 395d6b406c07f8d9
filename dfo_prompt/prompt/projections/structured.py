"""Projections that do not store their matrix, for large D x d."""

from math import ceil, sqrt

import numpy as np
import torch
from torch import Tensor, nn

from dfo_prompt.errors import InputError
from dfo_prompt.prompt.projections.affine import Dense, Scale, Space


class Gather(nn.Module):
    """The map z (d,) -> A z (D,), where each row of A has K non-zero entries.

    Args:
        columns: (D, K) column indices of the non-zero entries.
        values: (D, K) values of the non-zero entries.
    """

    columns: Tensor
    values: Tensor

    def __init__(self, columns: Tensor, values: Tensor) -> None:
        super().__init__()
        self.register_buffer("columns", columns)
        self.register_buffer("values", values.float())

    def forward(self, z: Tensor) -> Tensor:
        """Return A z."""
        return (z[self.columns] * self.values).sum(dim=1)


class Fastfood(nn.Module):
    """The map z (d,) -> A z (D,) with blocks S H G P H B (Le, Sarlos and Smola, 2013): O(D log d) time, O(D) memory.

    H is the Walsh-Hadamard matrix of size n, the next power of two, and P a permutation. B, G and S are diagonal: random
    signs, normal numbers, and the row norms of a normal matrix.

    Args:
        signs: (K, n) diagonal of B for each of K blocks.
        permutations: (K, n) P.
        gaussians: (K, n) diagonal of G.
        lengths: (K, n) row norms for S.
        dim: d; z is padded with zeros to n.
        entries: D; the last block is cut to it.
        scale: standard deviation of the entries of A.
    """

    signs: Tensor
    permutations: Tensor
    gaussians: Tensor
    lengths: Tensor

    def __init__(
        self,
        signs: Tensor,
        permutations: Tensor,
        gaussians: Tensor,
        lengths: Tensor,
        *,
        dim: int,
        entries: int,
        scale: float,
    ) -> None:
        super().__init__()
        for name, value in (("signs", signs), ("gaussians", gaussians), ("lengths", lengths)):
            self.register_buffer(name, value.float())
        self.register_buffer("permutations", permutations)
        self._dim, self._entries, self._scale = dim, entries, scale

    def forward(self, z: Tensor) -> Tensor:
        """Return A z."""
        size = self.signs.shape[1]
        x = hadamard(self.signs * nn.functional.pad(z, (0, size - self._dim)))  # (K, n)
        x = hadamard(self.gaussians * x.gather(1, self.permutations))
        # A row of H G P H B has the norm sqrt(n) |G|; scale it to that of a normal row.
        lengths = self.lengths / (sqrt(size) * self.gaussians.norm(dim=1, keepdim=True))
        product: Tensor = (self._scale * lengths * x).flatten()[: self._entries]
        return product


class LowRank(nn.Module):
    """The map z (d,) -> (C z) V, where C z (P, r) are the coordinates of the tokens in r common directions V (r, E)."""

    directions: Tensor

    def __init__(self, codes: Dense, directions: Tensor) -> None:
        super().__init__()
        self.codes = codes
        self.register_buffer("directions", directions.float())

    def forward(self, z: Tensor) -> Tensor:
        """Return the flat prompt (P * E,)."""
        codes: Tensor = self.codes(z)
        return (codes.view(-1, len(self.directions)) @ self.directions).flatten()


def sparse(
    space: Space, rng: np.random.Generator, *, density: float | None = None, alpha: Scale = 1.0, sigma: Scale = 1.0
) -> Gather:
    """Draw random signs at max(1, round(density * d)) positions of each row.

    The density is 1/3 in Achlioptas (2003), and 1/sqrt(d), the default, in Li et al. (2006).

    Args:
        space, rng: sizes and scale, and the random generator.
        density: the share of non-zero entries in a row, in (0, 1]; by default 1/sqrt(d).
        alpha: factor of the prompt's scale; with 1, A z has the deviation of the embeddings for z ~ N(0, sigma^2 I).
        sigma: the deviation of z that `alpha` assumes; it does not follow the study's sigma.

    Raises:
        InputError: `density` is not in (0, 1].
    """
    share = 1 / sqrt(space.dim) if density is None else density
    if not 0 < share <= 1:
        raise InputError(f"projection 'sparse': density must lie in (0, 1], not {density}")
    count = max(1, round(share * space.dim))
    columns = np.stack([rng.choice(space.dim, count, replace=False, shuffle=False) for _ in range(space.entries)])
    signs = rng.choice([-1.0, 1.0], columns.shape)
    scale = space.deviation(alpha, sigma) * sqrt(space.dim / count)
    return Gather(torch.tensor(columns), torch.tensor(signs * scale))


def count_sketch(space: Space, rng: np.random.Generator, *, alpha: Scale = 1.0, sigma: Scale = 1.0) -> Gather:
    """Draw a transposed count sketch (Charikar et al., 2002): each entry of the prompt is a scaled coordinate of z, signed.

    The numbers of entries per coordinate differ by at most one. With d = P E there is one each, and thus no projection: z is
    the prompt up to scale, signs and order.

    Args:
        space, rng: sizes and scale, and the random generator.
        alpha: factor of the prompt's scale; with 1, A z has the deviation of the embeddings for z ~ N(0, sigma^2 I).
        sigma: the deviation of z that `alpha` assumes; it does not follow the study's sigma.
    """
    columns = rng.permutation(np.arange(space.entries) % space.dim)[:, None]
    signs = rng.choice([-1.0, 1.0], columns.shape)
    return Gather(torch.tensor(columns), torch.tensor(signs * space.deviation(alpha, sigma) * sqrt(space.dim)))


def fastfood(space: Space, rng: np.random.Generator, *, alpha: Scale = 1.0, sigma: Scale = 1.0) -> Fastfood:
    """Draw the diagonal matrices and permutations of Fastfood; A is distributed nearly as in `normal`.

    Args:
        space, rng: sizes and scale, and the random generator.
        alpha: factor of the prompt's scale; with 1, A z has the deviation of the embeddings for z ~ N(0, sigma^2 I).
        sigma: the deviation of z that `alpha` assumes; it does not follow the study's sigma.
    """
    size = 1 << (space.dim - 1).bit_length()
    shape = (ceil(space.entries / size), size)
    return Fastfood(
        torch.tensor(rng.choice([-1.0, 1.0], shape)),
        torch.tensor(rng.permuted(np.tile(np.arange(size), (shape[0], 1)), axis=1)),
        torch.tensor(rng.standard_normal(shape)),
        torch.tensor(np.sqrt(rng.chisquare(size, shape))),
        dim=space.dim,
        entries=space.entries,
        scale=space.deviation(alpha, sigma),
    )


def low_rank(space: Space, rng: np.random.Generator, *, rank: int = 8, alpha: Scale = 1.0, sigma: Scale = 1.0) -> LowRank:
    """Draw a map to prompts whose tokens all lie in the span of `rank` random directions.

    Args:
        space, rng: sizes and scale, and the random generator.
        rank: the number of directions, from 1 to E, the embedding width.
        alpha: factor of the prompt's scale; with 1, A z has the deviation of the embeddings for z ~ N(0, sigma^2 I).
        sigma: the deviation of z that `alpha` assumes; it does not follow the study's sigma.

    Raises:
        InputError: `rank` is not between 1 and E.
    """
    if not 1 <= rank <= space.width:
        raise InputError(f"projection 'low-rank': rank must lie between 1 and {space.width}, not {rank}")
    codes = rng.normal(0.0, space.deviation(alpha, sigma) / sqrt(rank), (space.tokens * rank, space.dim))
    return LowRank(Dense(codes), torch.tensor(rng.standard_normal((rank, space.width))))


def hadamard(x: Tensor) -> Tensor:
    """Return H x for each row of x (K, n), with n a power of two; H has entries +-1, in Sylvester's order."""
    rows, size = x.shape
    half = 1
    while half < size:
        x = x.view(rows, -1, 2, half)
        x = torch.stack((x[:, :, 0] + x[:, :, 1], x[:, :, 0] - x[:, :, 1]), dim=2)
        half *= 2
    return x.view(rows, size)
