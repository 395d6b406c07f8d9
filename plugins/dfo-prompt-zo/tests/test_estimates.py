import numpy as np
import pytest
from dfo_prompt_zo.descent import Descent
from dfo_prompt_zo.spsa import SPSA

import dfo_prompt as dp

SETTINGS = {"dim": 4, "budget": 100, "seed": 1, "sigma": 0.5, "x0": np.ones(4)}
SLOPE = np.array([3.0, -1.0, 0.5, 2.0])


def test_descent_on_a_line_follows_its_slope():
    optimizer = Descent(rule="sgd", learning_rate=1.0, popsize=40_000, **SETTINGS)
    z = optimizer.ask()
    optimizer.tell(z, z @ SLOPE)
    np.testing.assert_allclose(optimizer.recommend() - 1, -SLOPE, atol=0.1)


@pytest.mark.parametrize("losses", [np.zeros(6), np.full(6, 7.0)])
def test_ranks_of_a_plateau_move_nothing(losses):
    optimizer = Descent(shaping="ranks", popsize=6, **SETTINGS)
    optimizer.ask()
    optimizer.tell(np.zeros((6, 4)), losses)
    np.testing.assert_array_equal(optimizer.recommend(), np.ones(4))


def test_ranks_ignore_the_scale_of_the_loss():
    points = []
    for scale in (1.0, 1e6):
        optimizer = Descent(shaping="ranks", popsize=6, **SETTINGS)
        for _ in range(3):
            z = optimizer.ask()
            optimizer.tell(z, scale * (z @ SLOPE))
        points.append(optimizer.recommend())
    np.testing.assert_array_equal(*points)


def test_spsa_takes_the_first_step_it_was_told_to():
    optimizer = SPSA(first_step=0.2, popsize=2, **SETTINGS)
    z = optimizer.ask()
    assert set(np.abs(z - 1).ravel()) == {0.5}
    optimizer.tell(z, z @ SLOPE)
    np.testing.assert_allclose(np.abs(optimizer.recommend() - 1), 0.2 * 0.5)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("adam", "beta1", 1.0),
        ("es", "beta2", -0.1),
        ("sgd", "learning_rate", 0.0),
        ("adam", "learning_rate", float("inf")),
        ("spsa", "first_step", -1.0),
        ("ars", "learning_rate", 0.0),
        ("ars", "best", 0.0),
        ("ars", "best", 1.5),
    ],
)
def test_an_option_out_of_range_is_refused_before_the_first_query(name, option, value):
    with pytest.raises(dp.InputError, match=f"'zo:{name}': {option}: Input should be "):
        dp.create_optimizer(f"zo:{name}", **SETTINGS, **{option: value})
