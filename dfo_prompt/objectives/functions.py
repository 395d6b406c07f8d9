"""Defines standard test functions as objectives, to try optimizers without a language model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dfo_prompt._util.parsing import NotNegative
from dfo_prompt.config.problem import Count
from dfo_prompt.contracts.objective import CLEAN, Evaluation, Objective
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError
from dfo_prompt.types import Matrix, Vector

BatchFunction = Callable[[Matrix], Vector]


def sphere(x: Matrix) -> Vector:
    """Return sum x_i^2 for each row, (B,)."""
    return (x**2).sum(axis=1)  # type: ignore[no-any-return]


def ellipsoid(x: Matrix) -> Vector:
    """Return sum 10^(6 (i-1)/(d-1)) x_i^2: condition number 10^6 (Hansen et al., 2009, f2, without its transformations)."""
    weights = 10.0 ** (6 * np.linspace(0, 1, x.shape[1]))
    return (weights * x**2).sum(axis=1)  # type: ignore[no-any-return]


def rosenbrock(x: Matrix) -> Vector:
    """Return sum 100 (u_i^2 - u_{i+1})^2 + (u_i - 1)^2, u = x + 1: a curved valley, minimum at x = 0 (Rosenbrock, 1960)."""
    u = x + 1
    return (100 * (u[:, :-1] ** 2 - u[:, 1:]) ** 2).sum(axis=1) + ((u[:, :-1] - 1) ** 2).sum(axis=1)  # type: ignore[no-any-return]


def rastrigin(x: Matrix) -> Vector:
    """Return 10 d + sum x_i^2 - 10 cos(2 pi x_i): a grid of local minima (Rastrigin, 1974)."""
    return 10 * x.shape[1] + (x**2 - 10 * np.cos(2 * np.pi * x)).sum(axis=1)  # type: ignore[no-any-return]


STREAM = 1
"""The random stream of the draws below; an optimizer draws from the seed itself and could hit the minimum by chance."""

FUNCTIONS: Mapping[str, BatchFunction] = {f.__name__: f for f in (sphere, ellipsoid, rosenbrock, rastrigin)}


class Computed:
    """An objective whose candidates are a row each, and free to repeat."""

    costs_again: ClassVar[tuple[str, ...]] = ()

    def estimate(self, count: int) -> Usage:
        """Return the usage of `count` candidates."""
        return Usage(rows=count)


@dataclass(frozen=True, kw_only=True)
class Shifted(Computed):
    """The objective f(z - shift), whose minimum is not at the start of a search.

    Attributes:
        shift: the minimum (d,).
    """

    function: BatchFunction
    shift: Vector

    @property
    def dim(self) -> int:
        """Return d."""
        return len(self.shift)

    def evaluate(self, candidates: Matrix) -> Evaluation:
        """Evaluate candidates (B, d)."""
        return Evaluation(losses=self.function(candidates - self.shift), usage=self.estimate(len(candidates)))


@dataclass(frozen=True, kw_only=True)
class Embedded(Computed):
    """A function with few effective dimensions in a large space, searched through a random embedding.

    f(x) = g(U^T x) depends on x in R^D through k orthonormal directions U only; z in R^d stands for x = A z, where A (D, d)
    has entries N(0, 1/d) (Wang et al., 2016, REMBO). For any U, U^T A (k, d) then has entries N(0, 1/d) too, and f depends
    on z only through it, so neither A nor U is materialised.

    Attributes:
        inner: g, of dimension k.
        map: U^T A, (k, d).
    """

    inner: Objective
    map: Matrix

    @property
    def dim(self) -> int:
        """Return d."""
        return int(self.map.shape[1])

    def evaluate(self, candidates: Matrix) -> Evaluation:
        """Evaluate candidates (B, d)."""
        return self.inner.evaluate(candidates @ self.map.T)  # (B, d) -> (B, k)


@dataclass(frozen=True, kw_only=True)
class Noisy(Computed):
    """An objective with additive normal noise.

    The noise is drawn from a generator that is seeded with the candidate, so it does not depend on the batch and is the same
    in a continued study.

    Attributes:
        std: the standard deviation of the noise, in units of the loss.
    """

    objective: Objective
    std: float
    seed: int

    @property
    def dim(self) -> int:
        """Return d."""
        return self.objective.dim

    def evaluate(self, candidates: Matrix) -> Evaluation:
        """Evaluate candidates (B, d)."""
        clean = self.objective.evaluate(candidates)
        noise = [np.random.default_rng([self.seed, *z.copy().view(np.uint32)]).standard_normal() for z in candidates]
        losses = clean.losses + self.std * np.array(noise)
        return Evaluation(losses=losses, metrics={CLEAN: clean.losses}, usage=clean.usage)


def build_function(
    *,
    dim: int,
    seed: int,
    function: str,
    ambient_dim: Count | None = None,
    effective_dim: Count | None = None,
    noise: NotNegative = 0.0,
) -> Objective:
    """Build a test function whose minimum is shifted to a standard normal point.

    Args:
        dim: d.
        seed: the seed of the shift, the embedding and the noise.
        function: a name in `FUNCTIONS`.
        ambient_dim: D; if set, the function has `effective_dim` effective dimensions in R^D, behind a random embedding.
        effective_dim: k; 10 if only `ambient_dim` is set.
        noise: the standard deviation of additive noise.

    Raises:
        InputError: the dimensions are inconsistent.
    """
    if effective_dim and not ambient_dim:
        raise InputError("effective_dim needs ambient_dim, the dimension of the space that the candidates are embedded in")
    rng = np.random.default_rng([seed, STREAM])
    inner_dim = (effective_dim or 10) if ambient_dim else dim
    if function == "rosenbrock" and inner_dim < 2:  # noqa: PLR2004
        raise InputError("rosenbrock needs at least 2 dimensions")
    objective: Objective = Shifted(function=FUNCTIONS[function], shift=rng.standard_normal(inner_dim))
    if ambient_dim:
        if not inner_dim <= dim <= ambient_dim:
            raise InputError(f"dim {dim} must lie between effective_dim {inner_dim} and ambient_dim {ambient_dim}")
        objective = Embedded(inner=objective, map=rng.standard_normal((inner_dim, dim)) / np.sqrt(dim))
    return Noisy(objective=objective, std=noise, seed=seed) if noise else objective
