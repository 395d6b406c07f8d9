"""Defines objectives whose loss is a known function of outputs: nonlinear least squares and logistic regression.

Residuals, their numbers and the standard starting points are those of Moré, Garbow and Hillstrom (1981).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dfo_prompt.contracts.objective import Evaluation, Outer
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError
from dfo_prompt.objectives.functions import STREAM
from dfo_prompt.objectives.outer import CrossEntropy, LeastSquares
from dfo_prompt.types import Matrix, Vector

Residuals = Callable[[Matrix], Matrix]
FLOAT64 = 8
"""Bytes of a transmitted output."""


def rosenbrock(x: Matrix) -> Matrix:
    """Return 10 (x_{2i} - x_{2i-1}^2) and 1 - x_{2i-1}, (B, d): extended Rosenbrock (21), d even."""
    odd, even = x[:, ::2], x[:, 1::2]
    return np.concatenate([10 * (even - odd**2), 1 - odd], axis=1)


def powell(x: Matrix) -> Matrix:
    """Return the residuals (B, d) of the extended Powell singular function (22), d a multiple of four."""
    a, b, c, e = (x[:, i::4] for i in range(4))
    return np.concatenate([a + 10 * b, 5**0.5 * (c - e), (b - 2 * c) ** 2, 10**0.5 * (a - e) ** 2], axis=1)


def trigonometric(x: Matrix) -> Matrix:
    """Return d - sum cos x_j + i (1 - cos x_i) - sin x_i, (B, d): trigonometric function (26)."""
    count, number = x.shape[1], np.arange(1, x.shape[1] + 1)
    cosine = np.cos(x)
    return count - cosine.sum(axis=1, keepdims=True) + number * (1 - cosine) - np.sin(x)  # type: ignore[no-any-return]


def brown(x: Matrix) -> Matrix:
    """Return x_i + sum x_j - (d + 1) and, last, prod x_j - 1, (B, d): Brown's almost-linear function (27)."""
    linear = x + x.sum(axis=1, keepdims=True) - (x.shape[1] + 1)
    return np.concatenate([linear[:, :-1], x.prod(axis=1, keepdims=True) - 1], axis=1)


def boundary(x: Matrix) -> Matrix:
    """Return 2 x_i - x_{i-1} - x_{i+1} + h^2 (x_i + t_i + 1)^3 / 2, (B, d): discrete boundary value function (28)."""
    h = 1 / (x.shape[1] + 1)
    padded = np.pad(x, ((0, 0), (1, 1)))
    return 2 * x - padded[:, :-2] - padded[:, 2:] + h**2 * (x + _grid(x.shape[1]) + 1) ** 3 / 2  # type: ignore[no-any-return]


def tridiagonal(x: Matrix) -> Matrix:
    """Return (3 - 2 x_i) x_i - x_{i-1} - 2 x_{i+1} + 1, (B, d): Broyden's tridiagonal function (30)."""
    padded = np.pad(x, ((0, 0), (1, 1)))
    return (3 - 2 * x) * x - padded[:, :-2] - 2 * padded[:, 2:] + 1


def linear(x: Matrix) -> Matrix:
    """Return x_i - (2 / m) sum x_j - 1 for i <= d and -(2 / m) sum x_j - 1 beyond, m = 2 d: linear, full rank (32)."""
    shared = -x.sum(axis=1, keepdims=True) / x.shape[1] - 1
    return np.concatenate([x + shared, np.broadcast_to(shared, x.shape)], axis=1)


def _grid(dim: int) -> Vector:
    return np.arange(1, dim + 1) / (dim + 1)


def _repeated(*values: float) -> Callable[[int], Vector]:
    return lambda dim: np.resize(np.array(values), dim)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Residuals, their standard start by dimension, and the number of which the dimension is a multiple."""

    residuals: Residuals
    start: Callable[[int], Vector]
    multiple: int = 1


PROBLEMS: Mapping[str, Problem] = {
    "rosenbrock": Problem(residuals=rosenbrock, start=_repeated(-1.2, 1.0), multiple=2),
    "powell": Problem(residuals=powell, start=_repeated(3.0, -1.0, 0.0, 1.0), multiple=4),
    "trigonometric": Problem(residuals=trigonometric, start=lambda dim: np.full(dim, 1 / dim)),
    "brown": Problem(residuals=brown, start=_repeated(0.5)),
    "boundary": Problem(residuals=boundary, start=lambda dim: _grid(dim) * (_grid(dim) - 1)),
    "tridiagonal": Problem(residuals=tridiagonal, start=_repeated(-1.0)),
    "linear": Problem(residuals=linear, start=_repeated(1.0)),
}


@dataclass(frozen=True, kw_only=True)
class Composed:
    """The objective h(F(z + start)), searched from z = 0.

    Attributes:
        inner: F, from points (B, d) to outputs (B, M).
        outer: h, from outputs to losses.
        start: the point (d,) at z = 0.
    """

    costs_again: ClassVar[tuple[str, ...]] = ()
    inner: Callable[[Matrix], Matrix]
    outer: Outer
    start: Vector

    @property
    def dim(self) -> int:
        """Return d."""
        return len(self.start)

    def evaluate(self, candidates: Matrix) -> Evaluation:
        """Evaluate candidates (B, d)."""
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow is a failed query
            losses = self.outer.losses(self.inner(candidates + self.start))
        return Evaluation(losses=losses, usage=Usage(rows=len(candidates)))

    def evaluate_outputs(self, candidates: Matrix) -> Evaluation:
        """Evaluate candidates (B, d), with their outputs."""
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = self.inner(candidates + self.start)
            losses = self.outer.losses(outputs)
        return Evaluation(losses=losses, usage=self.estimate(len(candidates)), outputs=outputs)

    def estimate(self, count: int) -> Usage:
        """Return the usage of `count` candidates evaluated with outputs."""
        return Usage(rows=count, downloaded=FLOAT64 * self.outer.size * count)


def build_least_squares(*, dim: int, seed: int, residuals: str) -> Composed:  # noqa: ARG001 - the problems have no random part
    """Build a nonlinear least-squares problem at its standard starting point.

    Args:
        dim: d.
        seed: ignored.
        residuals: a name in `PROBLEMS`.

    Raises:
        InputError: the problem is not defined for d.
    """
    problem = PROBLEMS[residuals]
    if dim % problem.multiple:
        raise InputError(f"{residuals} needs a dim that is a multiple of {problem.multiple}, not {dim}")
    start = problem.start(dim)
    return Composed(inner=problem.residuals, outer=LeastSquares(size=problem.residuals(start[None]).shape[1]), start=start)


def build_logistic(*, dim: int, seed: int, examples: int = 80, classes: int = 5) -> Composed:
    """Build the cross entropy of scores tanh(X W(z)) of synthetic examples, W linear in z; labels are the largest scores.

    Args:
        dim: d.
        seed: the seed of the data.
        examples: N.
        classes: C.

    Raises:
        InputError: fewer than one example or two classes.
    """
    if examples < 1 or classes < 2:  # noqa: PLR2004
        raise InputError(f"logistic needs an example and two classes at least, not {examples} and {classes}")
    rng = np.random.default_rng([seed, STREAM])
    matrix = rng.standard_normal((dim, examples * classes)) / np.sqrt(dim)
    shift = rng.standard_normal(examples * classes) / 2

    def scores(z: Matrix) -> Matrix:
        return 4 * np.tanh((z @ matrix + shift) / 4)  # type: ignore[no-any-return]

    labels = scores(rng.standard_normal((1, dim))).reshape(examples, classes).argmax(axis=1)
    return Composed(inner=scores, outer=CrossEntropy(labels=labels, classes=classes), start=np.zeros(dim))
