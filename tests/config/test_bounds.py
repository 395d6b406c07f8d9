"""Bounds per coordinate, finite or infinite, and the start of a study within them."""

import json
from math import inf

import numpy as np
import pytest
from fakes import Bowl, steps

import dfo_prompt as dp
from dfo_prompt.config.reading import parse_config
from dfo_prompt.study.identity import read_manifest

LOW, HIGH = [-1.0, 2.0, -inf, 0.5], [1.0, 6.0, -3.0, inf]


@pytest.mark.parametrize(
    ("bounds", "start"),
    [
        (None, [0, 0, 0, 0]),
        ((-5.0, 5.0), [0, 0, 0, 0]),
        ((0.0, 4.0), [0, 0, 0, 0]),  # zero is inside, as in studies of earlier versions
        ((1.0, 2.0), [1.5] * 4),
        ((LOW, HIGH), [0, 4, -3.25, 0.75]),
        ((2.0, inf), [2.25] * 4),
        ((-inf, [1.0, -1.0, 0.0, 5.0]), [0, -1.25, 0, 0]),
    ],
)
def test_a_study_starts_at_zero_or_inside(bounds, start):
    optimizer = dp.create_optimizer("random", dim=4, budget=10, bounds=bounds, sigma=0.25)
    assert optimizer.x0.tolist() == start
    low, high = bounds or (-inf, inf)
    assert ((optimizer.x0 >= low) & (optimizer.x0 <= high)).all()


@pytest.mark.slow
def test_a_file_may_say_inf_and_a_manifest_is_plain_json(tmp_path):
    result = dp.minimize(Bowl(4), optimizer="cma", budget=60, popsize=6, bounds=(LOW, HIGH), out=tmp_path / "s")
    assert ((result.best >= LOW) & (result.best <= HIGH)).all()
    text = (tmp_path / "s" / "manifest.json").read_text()
    found = json.loads(text, parse_constant=pytest.fail)["config"]["bounds"]
    assert found == [[-1.0, 2.0, "-inf", 0.5], [1.0, 6.0, -3.0, "inf"]]
    again = dp.minimize(
        Bowl(4), optimizer="cma", budget=60, popsize=6, bounds=(np.array(LOW), np.array(HIGH)), out=tmp_path / "s"
    )
    assert again.best_loss == result.best_loss  # the same study
    assert parse_config({"bounds": found, "dim": 4}).bounds == (LOW, HIGH)


def test_two_finite_numbers_stay_a_pair(tmp_path):
    dp.minimize(Bowl(), budget=10, bounds=(-2, 2), out=tmp_path / "s")
    assert read_manifest(tmp_path / "s")["config"]["bounds"] == [-2.0, 2.0]
    assert dp.create_optimizer("cma", dim=3, budget=10, bounds=(-2, 2)).bounds == (-2.0, 2.0)


def test_an_infinite_end_of_a_box_is_ten_steps_from_the_start():
    optimizer = steps(dim=4, bounds=(np.array(LOW), np.array(HIGH)), x0=np.array([0.0, 4.0, -3.5, 1.0]))
    low, high = optimizer.box()
    assert low.tolist() == [-1.0, 2.0, -8.5, 0.5]
    assert high.tolist() == [1.0, 6.0, -3.0, 6.0]


def test_an_initial_point_outside_one_coordinate_is_refused():
    with pytest.raises(dp.InputError, match=r"x0 starts at 1, outside the bounds \[2.0, 6.0\]; set x0"):
        dp.create_optimizer("cma", dim=4, budget=10, bounds=(LOW, HIGH), x0=[0.0, 1.0, -4.0, 1.0])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["cma", "nevergrad:OnePlusOne", "nevergrad:CMA", "pymoo:PSO", "pymoo:NelderMead", "blockwise:cma"]
)
def test_each_coordinate_finds_its_own_border(name):
    """Towards (9, 9, 9, 9) every coordinate meets its upper end, where it has one."""
    low, high = np.array([-1.0, -2.0, -inf, 0.5]), np.array([1.0, 3.0, 2.0, inf])

    class Far(Bowl):
        def evaluate(self, candidates):
            return dp.Evaluation(losses=((candidates - 9.0) ** 2).sum(axis=1))

    result = dp.minimize(Far(4), optimizer=name, budget=800, popsize=8, sigma=0.5, bounds=(low, high))
    assert result.best[:3] == pytest.approx(high[:3], abs=0.2)
    assert result.best[3] > 3.5
