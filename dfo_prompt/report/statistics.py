"""What a comparison of optimizers rests on. Values are (problems, seeds, optimizers), the smaller the better.

A problem is the unit; seeds are nested in it: one seed means one split, projection and start for all optimizers. Tests
across problems use the median over seeds. With few problems, intervals by the stratified bootstrap say more.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from dfo_prompt.types import Matrix, Vector

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and its bootstrap interval, NaN where there is one seed."""

    value: float
    low: float
    high: float


def average(values: Matrix) -> Any:
    """Return the interquartile mean over seeds in each problem, averaged over problems, of values (..., problems, seeds).

    Agarwal et al. (2021) trim over all problems at once; where metrics of problems lie apart that would leave out problems.
    """
    return stats.trim_mean(values, 0.25, axis=-1).mean(axis=-1)


def stratified(values: Matrix, less: Matrix | None = None) -> Interval:
    """Return the average of values (problems, seeds), less that of others, and its interval when seeds are drawn anew.

    The percentile bootstrap, stratified by problem (Agarwal et al., 2021). All calls draw the same seeds: what is compared
    is drawn in pairs, and an interval does not depend on what else was asked.
    """
    problems, seeds = values.shape
    drawn = np.random.default_rng(0).integers(seeds, size=(RESAMPLES, problems, seeds))

    def estimates(given: Matrix) -> Any:
        return average(np.take_along_axis(given[None], drawn, axis=2))

    value, resampled = average(values), estimates(values)
    if less is not None:
        value, resampled = value - average(less), resampled - estimates(less)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail]) if seeds > 1 else (np.nan, np.nan)
    return Interval(value=float(value), low=float(low), high=float(high))


def probability_of_improvement(values: Matrix) -> float:
    """Return P(X < Y), ties counting half, mean over problems, for values (problems, seeds, 2) (Agarwal et al., 2021)."""
    x, y = values[:, :, None, 0], values[:, None, :, 1]
    return float(((x < y) + 0.5 * (x == y)).mean())


def average_ranks(medians: Matrix) -> Vector:
    """Return the mean rank of each optimizer over the problems, medians (problems, optimizers)."""
    ranks: Vector = stats.rankdata(medians, axis=1).mean(axis=0)
    return ranks


def friedman(medians: Matrix) -> float | None:
    """Return the p value of the Friedman test, or None: it needs three optimizers and two problems."""
    problems, optimizers = medians.shape
    if optimizers < 3 or problems < 2:  # noqa: PLR2004
        return None
    if np.ptp(medians, axis=1).max() == 0:
        return 1.0
    return float(stats.friedmanchisquare(*medians.T).pvalue)


def pairwise(values: Matrix, names: list[str]) -> pd.DataFrame:
    """Compare every pair: Wilcoxon signed-rank on the problems' medians, Holm-corrected, and effect sizes.

    Args:
        values: (problems, seeds, optimizers).
        names: of the optimizers.

    Returns:
        Columns: first, second, difference (median of second - first: by how much the first is better), improvement (the
        probability of improvement of the first), rank_biserial (the correlation of Kerby, 2014; 1: the first is better on
        every problem), p, and p_holm, corrected (Holm, 1979); p is NaN with fewer than two problems.
    """
    medians = np.median(values, axis=1)
    rows = []
    for a, b in combinations(range(len(names)), 2):
        difference = medians[:, b] - medians[:, a]
        rows.append(
            {
                "first": names[a],
                "second": names[b],
                "difference": float(np.median(difference)),
                "improvement": probability_of_improvement(values[:, :, [a, b]]),
                "rank_biserial": rank_biserial(difference),
                "p": _wilcoxon(difference),
            }
        )
    frame = pd.DataFrame(rows, columns=["first", "second", "difference", "improvement", "rank_biserial", "p"])
    tested = len(frame) > 0 and frame["p"].notna().all()
    frame["p_holm"] = multipletests(frame["p"], method="holm")[1] if tested else np.nan
    return frame


def rank_biserial(difference: Vector) -> float:
    """Return the matched-pairs rank-biserial correlation: -1, every difference negative, to 1 (Kerby, 2014)."""
    kept = difference[difference != 0]
    if not len(kept):
        return 0.0
    ranks = stats.rankdata(np.abs(kept))
    return float((ranks * np.sign(kept)).sum() / ranks.sum())


def bayesian_signed_rank(difference: Vector, rope: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return the posterior probabilities that the first is better, that it does not matter, that the second is.

    The Dirichlet process of Benavoli et al. (2014), with one pseudo-observation at zero; pairs whose mean difference lies
    within +- rope do not matter.

    Args:
        difference: (problems,), first minus second, the smaller the better.
        rope: half the region of practical equivalence.
        rng: of the posterior's draws.
    """
    z = np.concatenate([[0.0], difference])
    sums = z[:, None] + z
    weights = rng.dirichlet(np.ones(len(z)), size=RESAMPLES)  # (R, n + 1)
    first = np.einsum("ri,ij,rj->r", weights, sums < -2 * rope, weights)
    second = np.einsum("ri,ij,rj->r", weights, sums > 2 * rope, weights)
    winner = np.argmax(np.stack([first, 1 - first - second, second]), axis=0)
    first_better, no_matter, second_better = (np.bincount(winner, minlength=3) / RESAMPLES).tolist()
    return first_better, no_matter, second_better


def _wilcoxon(difference: Vector) -> float:
    if len(difference) < 2:  # noqa: PLR2004
        return np.nan
    return float(stats.wilcoxon(difference).pvalue) if (difference != 0).any() else 1.0
