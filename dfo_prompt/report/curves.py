"""What curves of best-so-far losses say: areas, targets, profiles. Curves are (studies, queries) of one problem."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dfo_prompt.types import Matrix, Vector

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Targets where a suite gives none: shares of the way from the start to the best known loss of problem and seed."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """The losses between which curves of a problem and seed are compared.

    Attributes:
        start: the median, over all studies of it, of the first finite loss.
        best: the smallest that any of them observed.
    """

    start: float
    best: float

    def score(self, losses: Matrix) -> Matrix:
        """Return how far from the start to the best the losses lie: 0 to 1."""
        width = self.start - self.best
        if not width > 0:
            return np.where(np.isnan(losses), 0.0, 1.0)
        scores: Matrix = np.nan_to_num(((self.start - losses) / width).clip(0, 1), nan=0.0)
        return scores

    def targets(self, given: list[float]) -> Vector:
        """Return the losses to reach, the strictest last: those given, or `SHARES` of the way."""
        return np.array(sorted(given, reverse=True) or [self.start - share * (self.start - self.best) for share in SHARES])


def range_of(curves: Matrix) -> Range | None:
    """Return the range of the curves of a problem and seed, or None if there is no finite loss."""
    if not np.isfinite(curves).any():
        return None
    first = np.array([row[np.isfinite(row)][0] for row in curves if np.isfinite(row).any()])
    return Range(start=float(np.median(first)), best=float(np.nanmin(curves)))


def area_over_curve(curves: Matrix, within: Range, budgets: Sequence[int]) -> Vector:
    """Return the mean score over each study's budget, (studies,): the area over the convergence curve.

    As López-Ibáñez et al. (2024) have it.
    """
    scores = within.score(curves)
    return np.array([row[:budget].mean() for row, budget in zip(scores, budgets, strict=True)])


def hits(curves: Matrix, targets: Vector) -> Matrix:
    """Return the query at which each study reached each target, (studies, targets); infinite if it did not."""
    reached = np.nan_to_num(curves, nan=np.inf)[:, None, :] <= targets[:, None]  # (S, T, Q)
    return np.where(reached.any(axis=2), reached.argmax(axis=2) + 1.0, np.inf)


def share_reached(queries: Matrix, budget: int) -> Vector:
    """Return the share of entries reached after each query of the budget, (budget,): an ECDF of running lengths."""
    finite = queries[np.isfinite(queries)].astype(int)
    counts = np.bincount(finite, minlength=budget + 1)[1 : budget + 1]
    share: Vector = counts.cumsum() / max(queries.size, 1)
    return share


def performance_profile(queries: Matrix, ratios: Vector) -> Matrix:
    """Return the share of cases that each optimizer solves within a ratio of the best one's queries (Dolan and Moré, 2002).

    Args:
        queries: (cases, optimizers), infinite where not solved.
        ratios: (R,) of queries to the fewest that any optimizer of this pool needed.

    Returns:
        (optimizers, R).
    """
    fewest = queries.min(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        ratio = np.where(np.isfinite(queries), queries / fewest, np.inf)
    profile: Matrix = (ratio[:, :, None] <= ratios).mean(axis=0)
    return profile
