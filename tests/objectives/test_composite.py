import numpy as np
import pytest

import dfo_prompt as dp
from dfo_prompt.errors import InputError
from dfo_prompt.objectives.composite import PROBLEMS

# At the standard points, where Moré, Garbow and Hillstrom's formulas were worked out by hand.
KNOWN = {
    "rosenbrock": (2, 24.2),
    "powell": (4, 215.0),
    "brown": (2, (0.5 + 1 - 3) ** 2 + (0.25 - 1) ** 2),
    "tridiagonal": (2, (-5 + 2 + 1) ** 2 + (-5 + 1 + 1) ** 2),
    "linear": (2, 2 * (1 - 1 - 1) ** 2 + 2 * (-1 - 1) ** 2),
    "trigonometric": (
        1,
        (1 - np.cos(1.0) + 1 - np.cos(1.0) - np.sin(1.0)) ** 2,
    ),
    "boundary": (1, (2 * -0.25 + 0.25 * (-0.25 + 0.5 + 1) ** 3 / 2) ** 2),
}
MINIMA = {
    "rosenbrock": np.ones(4),
    "powell": np.zeros(4),
    "brown": np.ones(4),
    "linear": -np.ones(4),
    "trigonometric": np.zeros(4),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_values_known_by_hand(name):
    dim, loss = KNOWN[name]
    objective = dp.create_objective(f"least-squares:{name}", dim=dim)
    assert objective.evaluate(np.zeros((1, dim))).losses[0] == pytest.approx(loss)


@pytest.mark.parametrize("name", MINIMA)
def test_minima_known_by_hand(name):
    objective = dp.create_objective(f"least-squares:{name}", dim=4)
    least = objective.evaluate((MINIMA[name] - objective.start)[None]).losses[0]  # type: ignore[attr-defined]
    assert least == pytest.approx(4.0 if name == "linear" else 0.0)  # m - n


def test_bytes_down_are_those_of_the_outputs():
    objective, z = dp.create_objective("logistic", dim=6, examples=7, classes=3), np.zeros((2, 6))
    assert objective.evaluate(z).usage.downloaded == 0
    assert objective.evaluate_outputs(z).usage.downloaded == 2 * 7 * 3 * 8  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("least-squares:rosenbrock", {"dim": 3}, "rosenbrock needs a dim that is a multiple of 2, not 3"),
        ("logistic", {"dim": 3, "classes": 1}, "logistic needs an example and two classes at least, not 80 and 1"),
    ],
)
def test_what_does_not_fit_is_one_line(name, options, message):
    with pytest.raises(InputError, match=message):
        dp.create_objective(name, **options)
