import numpy as np
import pytest

import dfo_prompt as dp
from dfo_prompt.errors import InputError
from dfo_prompt.objectives.functions import FUNCTIONS, Embedded, Noisy, Shifted, ellipsoid, rastrigin, rosenbrock, sphere

NAMES = [*FUNCTIONS, *(f"{name}:embedded" for name in FUNCTIONS)]


def test_values_known_by_hand():
    x = np.array([[1.0, 2.0]])
    assert sphere(x) == 5
    assert ellipsoid(x) == 1 + 4e6
    assert rosenbrock(x) == 100 * (2**2 - 3) ** 2 + 1  # u = (2, 3)
    assert rastrigin(x) == pytest.approx(5)


@pytest.mark.parametrize("function", FUNCTIONS.values())
def test_the_minimum_is_zero_at_the_shift(function):
    shift = np.array([0.5, -1.0, 2.0])
    shifted = Shifted(function=function, shift=shift)
    near = shift + 0.1 * np.random.default_rng(0).standard_normal((20, 3))
    assert shifted.evaluate(shift[None]).losses[0] == 0
    assert (shifted.evaluate(near).losses > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_function_repeats_itself_and_moves_with_the_seed(name):
    z = np.random.default_rng(0).standard_normal((4, 30))
    losses = [dp.create_objective(name, dim=30, seed=seed).evaluate(z).losses for seed in (1, 1, 2)]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert (losses[0] != losses[2]).all()


def test_an_embedded_function_is_flat_in_all_but_its_effective_dimensions():
    objective = dp.create_objective("sphere:embedded", dim=30, effective_dim=3)
    assert isinstance(objective, Embedded)
    _, _, directions = np.linalg.svd(objective.map)
    z = np.random.default_rng(1).standard_normal((1, 30))
    start = objective.evaluate(z).losses
    np.testing.assert_allclose(objective.evaluate(z + 5 * directions[3:]).losses, np.full(27, start), rtol=1e-9)
    assert (abs(objective.evaluate(z + 5 * directions[:3]).losses - start) > 0.1).all()


def test_noise_has_its_deviation_and_belongs_to_the_candidate():
    z = np.random.default_rng(2).standard_normal((2000, 3))
    noisy = dp.create_objective("sphere", dim=3, noise=0.5)
    assert isinstance(noisy, Noisy)
    evaluation = noisy.evaluate(z)
    assert (evaluation.losses - evaluation.metrics["clean"]).std() == pytest.approx(0.5, rel=0.1)
    np.testing.assert_array_equal(noisy.evaluate(z[7:8]).losses, evaluation.losses[7:8])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rosenbrock", {"dim": 1}, "rosenbrock needs at least 2 dimensions"),
        ("sphere", {"dim": 3, "noise": -1.0}, "noise: Input should be greater than or equal to 0"),
        ("sphere", {"dim": 3, "noise": float("nan")}, "noise: Input should be a finite number"),
        ("sphere", {"dim": 3, "effective_dim": 2}, "effective_dim needs ambient_dim"),
        ("sphere", {"dim": 3, "ambient_dim": 0}, "ambient_dim: Input should be greater than or equal to 1"),
        ("sphere:embedded", {"dim": 5}, "dim 5 must lie between effective_dim 10 and ambient_dim 20000"),
        ("sphere", {"dim": 3, "noise": "much"}, "objective 'sphere': noise: Input should be a valid number"),
    ],
)
def test_what_does_not_fit_is_one_line(name, options, message):
    with pytest.raises(InputError, match=message):
        dp.create_objective(name, **options)
