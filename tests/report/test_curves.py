import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfo_prompt.report.curves import SHARES, Range, area_over_curve, hits, performance_profile, range_of, share_reached

CURVES = np.array([[9.0, 5.0, 5.0, 1.0], [np.nan, 9.0, 8.0, 8.0]])


def test_the_range_reaches_from_the_usual_start_to_the_best():
    assert range_of(CURVES) == Range(start=9.0, best=1.0)
    assert range_of(np.full((2, 3), np.nan)) is None


def test_a_single_far_start_does_not_set_the_range():
    near, far = [9.0, 5.0, 1.0], [1e8, 9.0, 8.0]
    assert range_of(np.array([near, far])) == range_of(np.array([far, near])) == Range(start=9.0, best=1.0)


def test_the_area_is_the_mean_share_of_the_way():
    area = area_over_curve(CURVES, Range(start=9.0, best=1.0), [4, 4])
    np.testing.assert_allclose(area, [(0 + 0.5 + 0.5 + 1) / 4, 0.25 / 4])


def test_the_area_is_of_a_studys_own_budget():
    curves = np.array([[9.0, 5.0, 5.0, 1.0], [9.0, 5.0, np.nan, np.nan]])
    np.testing.assert_allclose(area_over_curve(curves, Range(start=9.0, best=1.0), [4, 2]), [0.5, 0.25])


def test_on_a_plateau_only_losses_as_good_as_the_start_score():
    losses = np.array([2.0, 2.0 + 1e-9, 1.9, 2.1, np.nan])
    for start in (2.0, 2.0 + 1e-9):  # by rounding
        np.testing.assert_array_equal(Range(start=start, best=2.0).score(losses), [1, 1, 1, 0, 0])


def test_on_a_plateau_losses_that_differ_by_rounding_reach_the_targets_together():
    curves = np.array([[0.5] * 3, [0.5] + [0.5 - 2e-8] * 2, [0.6, 0.6, 0.5]])
    expected = np.repeat([[1], [1], [3]], len(SHARES), axis=1)
    np.testing.assert_array_equal(hits(curves, range_of(curves).targets([])), expected)


def test_targets_are_reached_at_a_query_or_never():
    np.testing.assert_array_equal(hits(CURVES, np.array([8.0, 1.0])), [[2, 4], [3, np.inf]])


def test_shares_of_what_is_reached():
    np.testing.assert_allclose(share_reached(np.array([[2, 4], [3, np.inf]]), 4), [0, 0.25, 0.5, 0.75])


def test_the_performance_profile_of_two():
    queries = np.array([[10.0, 20.0], [30.0, 10.0], [5.0, np.inf]])
    profile = performance_profile(queries, np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(profile, [[2 / 3, 2 / 3, 1], [1 / 3, 2 / 3, 2 / 3]])


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_scores_lie_between_zero_and_one_and_never_fall(losses):
    curve = np.minimum.accumulate(np.array(losses))[None, :]
    within = range_of(curve)
    scores = within.score(curve)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.diff(scores) >= 0).all()
    assert np.isfinite(within.targets([])).all()


def test_targets_that_are_given_win():
    assert Range(start=9.0, best=1.0).targets([0.5]) == pytest.approx([0.5])
