import numpy as np
import pytest
from dfo_prompt_scipy import dfo_prompt_optimizers

import dfo_prompt as dp
from dfo_prompt.testing import OptimizerConformance

pytestmark = pytest.mark.slow


class TestConformance(OptimizerConformance):
    names = tuple(spec.name for spec in dfo_prompt_optimizers())


def test_the_simplex_of_a_start_on_the_border_points_inwards():
    sphere = dp.create_objective("sphere", dim=4)
    result = dp.minimize(sphere, optimizer="scipy:Nelder-Mead", budget=100, bounds=(-5.0, 0.0), sigma=0.5)
    start = dp.create_objective("sphere", dim=4).evaluate(np.zeros((1, 4))).losses[0]
    assert result.best_loss < 0.9 * start


@pytest.mark.parametrize("bounds", [(0.0, 0.5), (np.zeros(4), np.array([0.5, 0.1, 9.0, np.inf]))])
def test_the_simplex_is_not_flat_in_a_box_narrower_than_sigma(bounds):
    optimizer = dp.create_optimizer("scipy:Nelder-Mead", dim=4, budget=40, bounds=bounds, sigma=1.0)
    asked = []
    for loss in range(5):
        asked.append(optimizer.ask()[0])
        optimizer.tell(asked[-1][None], np.array([float(loss)]))
    assert np.abs(np.linalg.det(np.array(asked[1:]) - asked[0])) >= 0.05 * 0.25**2


@pytest.mark.parametrize("name", ["scipy:Powell", "scipy:Nelder-Mead"])
def test_a_loss_that_falls_without_end_ends_no_study(name):
    assert dp.minimize(lambda z: -z.sum(), dim=3, optimizer=name, budget=5000, seed=1).spent.queries == 5000
