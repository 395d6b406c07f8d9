"""Computes averages, bootstrap intervals and tests for comparisons of optimizers.

Values are (problems, seeds, optimizers), smaller is better. Seeds are nested in problems: on a problem, all optimizers share
the split, projection and start of a seed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from dfo_prompt.types import Matrix, Vector

RESAMPLES = 2000
CONFIDENCE = 0.95
FEWEST_SEEDS = 5
"""The fewest seeds for the max-t bootstrap; with fewer, bootstrap intervals are too narrow."""
FEWEST_REPEATS = 4
"""The fewest further seeds that must repeat a difference before it counts as constant: few examples give equal ones."""
ROUNDING = 1e-12
"""The largest difference that the order of a sum explains."""
MOST_EXACT = 14
"""The most problems for which all subsets are enumerated; beyond, subsets are sampled."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and its bootstrap interval; NaN bounds if the sample has size one."""

    value: float
    low: float
    high: float


def average(values: Matrix) -> Any:
    """Return the interquartile mean over seeds in each problem, averaged over problems, of values (..., problems, seeds).

    Agarwal et al. (2021) trim over all problems at once, which would drop whole problems where their metrics differ widely.
    """
    return by_problem(values).mean(axis=-1)


def by_problem(values: Matrix) -> Any:
    """Return the interquartile mean over seeds in each problem, (..., problems, seeds) -> (..., problems)."""
    return stats.trim_mean(values, 0.25, axis=-1)


def stratified(values: Matrix) -> Interval:
    """Return the average of values (problems, seeds) and its percentile bootstrap interval over seeds.

    The bootstrap is stratified by problem (Agarwal et al., 2021). The bounds are NaN for a single seed.
    """
    return _percentiles(float(average(values)), resampled(values) if values.shape[1] > 1 else None)


def clustered(values: Matrix) -> Interval:
    """Return the average of values (problems, seeds) and its percentile bootstrap interval over problems.

    The bounds are NaN for a single problem.
    """
    each = by_problem(values)
    drawn = np.random.default_rng(0).integers(len(each), size=(RESAMPLES, len(each)))
    return _percentiles(float(each.mean()), each[drawn].mean(axis=1) if len(each) > 1 else None)


def resampled(values: Matrix) -> Vector:
    """Return the averages of values (problems, seeds) over bootstrap samples of seeds within each problem, (R,).

    All calls draw the same samples, so comparisons are paired and do not depend on earlier calls.
    """
    problems, seeds = values.shape
    drawn = np.random.default_rng(0).integers(seeds, size=(RESAMPLES, problems, seeds))
    averages: Vector = average(np.take_along_axis(values[None], drawn, axis=2))
    return averages


def simultaneous(estimates: Vector, draws: Matrix, differences: Matrix) -> tuple[Matrix, Vector]:
    """Return simultaneous intervals of the estimates, (m, 2), and p values corrected for multiplicity, (m,).

    The single-step max-t bootstrap (Hothorn, Bretz and Westfall, 2008): an interval excludes 0 exactly where p <= 0.05.
    Standard errors are multiplied by sqrt(S / (S - 1)) to correct the bias of resampling S seeds with replacement, and
    critical values are those of Student's t with P (S - 1) degrees of freedom instead of the normal distribution. Few seeds
    have too few bootstrap samples for the largest of many t: Bonferroni's correction takes its place, with the degrees of
    freedom of Welch and Satterthwaite, because problems without noise add none.

    A difference that is the same on all seeds of each problem has no standard error: with few repetitions its interval and p
    are NaN, with more its interval has width 0. One that rounding explains is 0, with p = 1.

    Args:
        estimates: (m,).
        draws: the estimates in each bootstrap sample, (R, m).
        differences: the differences of P problems and S seeds, (P, S, m).
    """
    problems, seeds, _ = differences.shape
    error, repeats = draws.std(axis=0), problems * (seeds - 1)
    moves = error > ROUNDING * (1 + np.abs(estimates))  # the others are constant over the draws
    estimates = np.where(~moves & (np.abs(estimates) < ROUNDING), 0.0, estimates)  # a difference of rounding
    wide = error * np.sqrt(seeds / (seeds - 1))
    free = _degrees_of_freedom(differences[:, :, moves]) if seeds < FEWEST_SEEDS else repeats
    tails = stats.t.sf(np.abs(estimates[moves]) / wide[moves], free)
    half, p = np.zeros(len(estimates)), np.where(estimates == 0, 1.0, 0.0)
    if seeds < FEWEST_SEEDS:
        cut = stats.t.isf((1 - CONFIDENCE) / 2 / len(estimates), free)
        p[moves] = np.minimum(2 * len(estimates) * tails, 1.0)
    else:
        largest = np.sort(np.abs((draws - estimates)[:, moves] / error[moves]).max(axis=1, initial=0.0))  # (R,)
        cut = stats.t.isf(stats.norm.sf(largest[int(np.ceil(CONFIDENCE * len(largest))) - 1]), free)
        p[moves] = 1 - np.searchsorted(largest, stats.norm.isf(tails), side="left") / len(largest)
    half[moves] = cut * wide[moves]
    unknown = ~moves & (estimates != 0) & (repeats < FEWEST_REPEATS)
    half[unknown] = p[unknown] = np.nan
    return np.stack([estimates - half, estimates + half], axis=1), p


def _degrees_of_freedom(differences: Matrix) -> Vector:
    """Return those of the means of differences (P, S, m) by Welch (1947) and Satterthwaite (1946), (m,)."""
    variances = differences.var(axis=1)  # (P, m)
    free: Vector = (differences.shape[1] - 1) * variances.sum(axis=0) ** 2 / (variances**2).sum(axis=0)
    return free


def sign_flips(differences: Matrix) -> tuple[Matrix, Vector]:
    """Return simultaneous intervals of the means of differences (m, n), (m, 2), and corrected p values, (m,).

    P values are those of the sign-flip randomization test of Fisher (1935) with Bonferroni correction for m. The interval of
    means that the test does not reject lies between two of the ordered means of all subsets of the n problems (Hartigan,
    1969) and excludes 0 exactly where p <= 0.05. The smallest p is m * 2^(1 - n); if it is above 0.05, bounds are NaN.
    """
    number, problems = differences.shape
    subsets = _subsets(problems)  # (s, n)
    skipped = int((1 - CONFIDENCE) / (2 * number) * (len(subsets) + 1))
    intervals, p = np.full((number, 2), np.nan), np.ones(number)
    sizes = subsets.sum(axis=1)
    for row, difference in enumerate(differences):
        means = np.sort(subsets @ difference / sizes)
        beyond = min(np.searchsorted(means, 0.0, side="right"), len(means) - np.searchsorted(means, 0.0, side="left"))
        p[row] = min(1.0, 2 * number * (beyond + 1) / (len(means) + 1))
        if skipped:
            intervals[row] = means[skipped - 1], means[-skipped]
    return intervals, p


def problems_needed(pairs: int) -> int:
    """Return the fewest problems on which the sign-flip test, corrected for `pairs` pairs, can find a difference."""
    return int(np.ceil(1 + np.log2(pairs / (1 - CONFIDENCE)) - 1e-9))


def probability_of_improvement(values: Matrix) -> float:
    """Return P(X < Y), ties counting half, mean over problems, for values (problems, seeds, 2) (Agarwal et al., 2021)."""
    x, y = values[:, :, None, 0], values[:, None, :, 1]
    return float(((x < y) + 0.5 * (x == y)).mean())


def _percentiles(value: float, draws: Vector | None) -> Interval:
    if draws is None:
        return Interval(value=value, low=np.nan, high=np.nan)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(value=value, low=float(low), high=float(high))


def _subsets(problems: int) -> Matrix:
    """Return the non-empty subsets of the problems as indicators, (s, problems), sampled if there are too many."""
    if problems <= MOST_EXACT:
        numbers = np.arange(1, 2**problems)
        every: Matrix = (numbers[:, None] >> np.arange(problems) & 1).astype(np.float64)
        return every
    drawn: Matrix = np.random.default_rng(0).integers(2, size=(2 ** (MOST_EXACT + 2) - 1, problems)).astype(np.float64)
    return np.compress(drawn.any(axis=1), drawn, axis=0)
