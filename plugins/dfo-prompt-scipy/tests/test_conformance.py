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
