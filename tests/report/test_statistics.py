"""Checked against SciPy and scikit-posthocs, on published examples, and by simulation under the null hypothesis."""

import numpy as np
import pytest
from scikit_posthocs import posthoc_wilcoxon
from scipy import stats

from dfo_prompt.report import statistics

# Conover (1999), example of the Friedman test: twelve homeowners rank four grasses; T1 = 8.097, three degrees of freedom.
GRASSES = np.array(
    [
        [4, 3, 2, 1], [4, 2, 3, 1], [3, 1.5, 1.5, 4], [3, 1, 2, 4], [4, 2, 1, 3], [2, 2, 2, 4],
        [1, 3, 2, 4], [2, 4, 1, 3], [3.5, 1, 2, 3.5], [4, 1, 3, 2], [4, 2, 3, 1], [3.5, 1, 2, 3.5],
    ]
)  # fmt: skip


def test_friedman_on_a_published_example():
    assert statistics.friedman(GRASSES) == pytest.approx(stats.chi2.sf(8.097, 3), abs=1e-4)


def test_average_ranks_of_a_published_example():
    np.testing.assert_allclose(statistics.average_ranks(GRASSES) * 12, [38, 23.5, 24.5, 34])


def test_friedman_needs_three_optimizers_and_two_problems():
    assert statistics.friedman(GRASSES[:, :2]) is None
    assert statistics.friedman(GRASSES[:1]) is None
    assert statistics.friedman(np.ones((4, 3))) == 1


def test_pairs_agree_with_scikit_posthocs():
    values = np.random.default_rng(0).standard_normal((9, 1, 4)) + np.array([0.0, 0.3, 0.6, 0.9])
    frame = statistics.pairwise(values, list("abcd"))
    plain, holm = (posthoc_wilcoxon(list(values[:, 0].T), p_adjust=adjust).to_numpy() for adjust in (None, "holm"))
    upper = np.triu_indices(4, 1)
    np.testing.assert_allclose(frame["p"], plain[upper])
    np.testing.assert_allclose(frame["p_holm"], holm[upper])


def test_rank_biserial_is_the_share_of_favourable_ranks_less_that_of_the_others():
    difference = np.arange(1.0, 15) * np.where(np.isin(np.arange(1, 15), [2, 4, 14]), -1, 1)
    assert statistics.rank_biserial(difference) == pytest.approx((105 - 2 * 20) / 105)
    assert statistics.rank_biserial(np.zeros(3)) == 0


def test_the_average_leaves_out_the_outer_quarters_of_seeds_but_no_problem():
    seeds = np.array([-100.0, 1, 2, 3, 4, 5, 6, 100])
    assert statistics.average(seeds[None]) == 3.5
    assert statistics.average(np.stack([seeds, seeds + 1000])) == 503.5


def test_what_is_compared_is_drawn_in_pairs():
    values = np.random.default_rng(0).standard_normal((3, 5))
    one = statistics.stratified(values)
    assert one == statistics.stratified(values)
    assert one.low < one.value < one.high
    ahead = statistics.stratified(values + 0.25, less=values)
    assert (ahead.value, ahead.low, ahead.high) == pytest.approx((0.25, 0.25, 0.25))


def test_one_seed_has_no_interval():
    interval = statistics.stratified(np.array([[0.5], [0.7]]))
    assert interval.value == pytest.approx(0.6)
    assert np.isnan([interval.low, interval.high]).all()


def test_the_probability_of_improvement_counts_ties_half():
    values = np.array([[[1.0, 2.0], [2.0, 2.0]]])  # one problem, two seeds
    assert statistics.probability_of_improvement(values) == (1 + 1 + 0.5 + 0.5) / 4
    assert statistics.probability_of_improvement(values[:, :, ::-1]) == 0.25


@pytest.mark.parametrize("optimizers", [3, 5])
def test_under_the_null_hypothesis_friedman_errs_as_often_as_it_says(optimizers):
    rng, runs = np.random.default_rng(1), 1500
    errors = sum(statistics.friedman(rng.standard_normal((12, optimizers))) < 0.05 for _ in range(runs))
    assert stats.binomtest(errors, runs, 0.05).pvalue > 0.001


def test_under_the_null_hypothesis_some_pair_errs_no_more_often_than_holm_says(monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)  # which statsmodels calls every time
    rng, runs = np.random.default_rng(2), 400
    errors = 0
    for _ in range(runs):
        errors += statistics.pairwise(rng.standard_normal((10, 1, 4)), list("abcd"))["p_holm"].min() < 0.05
    assert stats.binomtest(errors, runs, 0.05, alternative="greater").pvalue > 0.001


def test_bootstrap_intervals_hold_the_truth_about_as_often_as_they_say():
    rng, runs = np.random.default_rng(3), 120
    held = 0
    for _ in range(runs):
        values = rng.standard_normal((3, 15))
        interval = statistics.stratified(values)
        held += interval.low <= 0 <= interval.high
    assert held / runs > 0.85


def test_the_bayesian_test_tells_better_from_worse_from_equal():
    rng = np.random.default_rng(0)
    better, same, worse = statistics.bayesian_signed_rank(np.full(10, -0.5), 0.01, rng)
    assert better > 0.95
    assert same + worse < 0.05
    assert statistics.bayesian_signed_rank(np.full(10, 0.5), 0.01, rng)[2] > 0.95
    assert statistics.bayesian_signed_rank(np.full(10, 0.001), 0.01, rng)[1] > 0.95
