"""Computes areas, target hits and profiles of best-so-far curves. Curves are (studies, queries) of one problem."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dfo_prompt.types import Matrix, Vector

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Default targets: shares of the distance from the start to the best known loss of a problem and seed."""

ROUNDING = 1e-6
"""The relative difference of losses of a candidate in different batches."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """The losses that normalize the curves of a problem and seed.

    Attributes:
        start: the median of the first finite losses of all studies, or the smaller of the middle two, so that a single far
            start does not make all other differences look small.
        best: the smallest loss that any study observed.
    """

    start: float
    best: float

    def score(self, losses: Matrix) -> Matrix:
        """Return the share of the distance from the start to the best loss that losses cover, 0 to 1.

        Where the start is the best loss up to rounding, losses that equal it up to rounding score 1, and worse ones 0.
        """
        if self.is_plateau:
            return np.where(losses <= self.best_rounded, 1.0, 0.0)
        scores: Matrix = np.nan_to_num(((self.start - losses) / (self.start - self.best)).clip(0, 1), nan=0.0)
        return scores

    def targets(self, losses: list[float]) -> Vector:
        """Return the losses to reach, the strictest last: `losses`, or by default `SHARES` of the distance.

        Where the start is the best loss up to rounding, every default target is a loss that equals it up to rounding.
        """
        if losses:
            return np.array(sorted(losses, reverse=True))
        shares = np.array(SHARES)
        if self.is_plateau:
            return np.full_like(shares, self.best_rounded)
        return self.start - shares * (self.start - self.best)

    @property
    def is_plateau(self) -> bool:
        """Tell whether the start is the best loss up to rounding."""
        return not self.start - self.best > ROUNDING * abs(self.best)

    @property
    def best_rounded(self) -> float:
        """Return the largest loss that equals the best one up to rounding."""
        return self.best + ROUNDING * abs(self.best)


def range_of(curves: Matrix) -> Range | None:
    """Return the range of the curves of a problem and seed, or None without a finite loss."""
    if not np.isfinite(curves).any():
        return None
    first = np.array([row[np.isfinite(row)][0] for row in curves if np.isfinite(row).any()])
    return Range(start=float(np.quantile(first, 0.5, method="lower")), best=float(np.nanmin(curves)))


def area_over_curve(curves: Matrix, within: Range, budgets: Sequence[int]) -> Vector:
    """Return the area over the convergence curve, (studies,): the mean score over each study's budget.

    Source: López-Ibáñez et al. (2024).
    """
    scores = within.score(curves)
    return np.array([row[:budget].mean() for row, budget in zip(scores, budgets, strict=True)])


def hits(curves: Matrix, targets: Vector) -> Matrix:
    """Return the query at which each study reached each target, (studies, targets); infinity if it did not."""
    reached = np.nan_to_num(curves, nan=np.inf)[:, None, :] <= targets[:, None]  # (S, T, Q)
    return np.where(reached.any(axis=2), reached.argmax(axis=2) + 1.0, np.inf)


def share_reached(queries: Matrix, budget: int) -> Vector:
    """Return the share of targets reached after each query of the budget, (budget,): the ECDF of running lengths."""
    finite = queries[np.isfinite(queries)].astype(int)
    counts = np.bincount(finite, minlength=budget + 1)[1 : budget + 1]
    share: Vector = counts.cumsum() / max(queries.size, 1)
    return share


def performance_profile(queries: Matrix, ratios: Vector) -> Matrix:
    """Return the share of cases that each optimizer solves within a ratio of the fewest queries (Dolan and Moré, 2002).

    Args:
        queries: (cases, optimizers), infinity where a case is not solved.
        ratios: (R,) of queries to the fewest that any of the optimizers needed.

    Returns:
        (optimizers, R).
    """
    fewest = queries.min(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        ratio = np.where(np.isfinite(queries), queries / fewest, np.inf)
    profile: Matrix = (ratio[:, :, None] <= ratios).mean(axis=0)
    return profile
