"""Statistics agree with SciPy, and with simulations under the null hypothesis."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from dfo_prompt.report import statistics


def test_the_average_leaves_out_the_outer_quarters_of_seeds_but_no_problem():
    seeds = np.array([-100.0, 1, 2, 3, 4, 5, 6, 100])
    assert statistics.average(seeds[None]) == 3.5
    assert statistics.average(np.stack([seeds, seeds + 1000])) == 503.5


def test_what_is_compared_is_drawn_in_pairs():
    values = np.random.default_rng(0).standard_normal((3, 5))
    one = statistics.stratified(values)
    assert one == statistics.stratified(values)
    assert one.low < one.value < one.high
    np.testing.assert_allclose(statistics.resampled(values + 0.25) - statistics.resampled(values), 0.25)


def test_one_seed_or_one_problem_has_no_interval():
    interval = statistics.stratified(np.array([[0.5], [0.7]]))
    assert interval.value == pytest.approx(0.6)
    assert np.isnan([interval.low, interval.high]).all()
    over_problems = statistics.clustered(np.array([[0.5, 0.7]]))
    assert over_problems.value == pytest.approx(0.6)
    assert np.isnan([over_problems.low, over_problems.high]).all()


def test_problems_that_lie_apart_widen_the_interval_over_problems_alone():
    values = np.arange(4.0)[:, None] + np.zeros((4, 3))
    assert statistics.stratified(values).high == 1.5
    assert statistics.clustered(values).high > 2


def test_the_probability_of_improvement_counts_ties_half():
    values = np.array([[[1.0, 2.0], [2.0, 2.0]]])  # one problem, two seeds
    assert statistics.probability_of_improvement(values) == (1 + 1 + 0.5 + 0.5) / 4
    assert statistics.probability_of_improvement(values[:, :, ::-1]) == 0.25


@pytest.mark.slow
def test_bootstrap_intervals_hold_the_truth_about_as_often_as_they_say():
    rng, runs = np.random.default_rng(3), 120
    held = 0
    for _ in range(runs):
        interval = statistics.stratified(rng.standard_normal((3, 15)))
        held += interval.low <= 0 <= interval.high
    assert held / runs > 0.85


def test_sign_flips_agree_with_the_enumeration_of_signs():
    rng = np.random.default_rng(0)
    differences = rng.standard_normal((5, 8)) + 0.4
    intervals, p = statistics.sign_flips(differences)
    signs = np.array([*product([-1, 1], repeat=8)])
    for difference, (low, high), corrected in zip(differences, intervals, p, strict=True):
        plain = (np.abs(signs @ difference) >= abs(difference.sum()) - 1e-12).mean()
        assert corrected == pytest.approx(min(1, 5 * plain), abs=5 * 2 / 256 + 1e-12)
        assert low <= difference.mean() <= high
        assert (corrected <= 0.05) == (low > 0 or high < 0)


@pytest.mark.parametrize("problems", [2, 5, 6, 9])
def test_no_p_is_below_what_so_many_problems_allow(problems):
    intervals, p = statistics.sign_flips(np.full((1, problems), 0.3))
    assert p[0] == pytest.approx(stats.wilcoxon(np.arange(1, problems + 1), method="exact").pvalue) == 2.0 ** (1 - problems)
    assert np.isnan(intervals).all() == (problems < statistics.problems_needed(1))
    assert statistics.problems_needed(1) == 6


def test_many_problems_are_drawn_from():
    differences = np.random.default_rng(0).standard_normal((2, 40)) + np.array([[0.0], [1.0]])
    intervals, p = statistics.sign_flips(differences)
    assert p[0] > 0.05 > p[1]
    low, high = stats.t.interval(0.975, 39, differences[1].mean(), stats.sem(differences[1]))
    np.testing.assert_allclose(intervals[1], [low, high], atol=0.05)


def _simultaneous(values):
    scores = np.array([statistics.average(values[:, :, i]) for i in range(values.shape[2])])
    draws = np.stack([statistics.resampled(values[:, :, i]) for i in range(values.shape[2])], axis=1)
    first, second = np.triu_indices(values.shape[2], 1)
    estimates, drawn = scores[first] - scores[second], draws[:, first] - draws[:, second]
    return statistics.simultaneous(estimates, drawn, values[:, :, first] - values[:, :, second])


def test_simultaneous_intervals_and_p_values_say_the_same():
    rng = np.random.default_rng(0)
    for _ in range(10):
        intervals, p = _simultaneous(rng.standard_normal((2, 6, 5)) + rng.normal(0, 0.6, 5))
        np.testing.assert_array_equal(p <= 0.05, (intervals[:, 0] > 0) | (intervals[:, 1] < 0))


def test_a_difference_that_is_the_same_on_every_seed_is_certain():
    values = np.random.default_rng(0).standard_normal((2, 6, 3))
    values[:, :, 1] = values[:, :, 0] + 0.5
    intervals, p = _simultaneous(values)
    np.testing.assert_allclose(intervals[0], -0.5)
    assert p[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(("problems", "seeds"), [(3, 10), (3, 3), (1, 5)])
def test_under_the_null_hypothesis_any_pair_errs_about_as_often_as_it_says(problems, seeds):
    rng, runs = np.random.default_rng(2), 60
    errors = sum((_simultaneous(rng.standard_normal((problems, seeds, 4)))[1] <= 0.05).any() for _ in range(runs))
    assert errors / runs < 0.15


def test_a_difference_that_two_seeds_repeat_by_chance_shows_nothing():
    values = np.full((1, 2, 3), 0.5)
    values[:, :, 1:] = [[0.25, 0.5], [0.25, 0.75]]
    intervals, p = _simultaneous(values)
    assert np.isnan(intervals[0]).all()
    assert np.isnan(p[0])
    assert np.isfinite([*intervals[1], *intervals[2]]).all()


@pytest.mark.parametrize(("problems", "seeds"), [(1, 2), (1, 3), (2, 2)])
def test_under_the_null_hypothesis_metrics_of_few_examples_err_as_often_as_they_say(problems, seeds):
    rng, runs = np.random.default_rng(0), 200
    metrics = (rng.binomial(30, 0.5, (problems, seeds, 6)) / 30 for _ in range(runs))
    assert sum((_simultaneous(values)[1] <= 0.05).any() for values in metrics) / runs <= 0.1


@pytest.mark.parametrize("seeds", [2, 3])
def test_problems_without_noise_do_not_make_a_noisy_one_certain(seeds):
    rng, runs = np.random.default_rng(0), 200
    noise = np.array([1, 1e-3, 1e-3, 1e-3])[:, None, None]
    suites = (noise * rng.standard_normal((4, seeds, 2)) for _ in range(runs))
    assert sum((_simultaneous(values)[1] <= 0.05).any() for values in suites) / runs <= 0.1


def test_a_difference_of_rounding_is_none():
    values = np.repeat(np.array([[0.1, 0.3], [0.2, 0.2], [0.3, 0.1]])[:, None], 5, axis=1)
    intervals, p = _simultaneous(values)
    assert intervals.tolist() == [[0, 0]]
    assert p.tolist() == [1]


def test_under_the_null_hypothesis_flipped_signs_err_as_often_as_they_say():
    rng = np.random.default_rng(2)
    flips = sum((statistics.sign_flips(rng.standard_normal((6, 10)))[1] <= 0.05).any() for _ in range(400))
    assert stats.binomtest(flips, 400, 0.05, alternative="greater").pvalue > 0.001
