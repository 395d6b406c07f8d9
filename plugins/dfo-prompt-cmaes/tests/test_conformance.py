import numpy as np
import pytest
from dfo_prompt_cmaes import dfo_prompt_optimizers

import dfo_prompt as dp
from dfo_prompt.testing import OptimizerConformance

pytestmark = pytest.mark.slow


class TestConformance(OptimizerConformance):
    names = tuple(spec.name for spec in dfo_prompt_optimizers())


def test_a_warm_start_begins_where_another_study_was_good(tmp_path):
    rng = np.random.default_rng(0)
    candidates = 3 + rng.standard_normal((200, 4))
    np.savez(tmp_path / "source.npz", candidates=candidates, losses=((candidates - 3) ** 2).sum(axis=1))
    warm = dp.create_optimizer("cmaes", dim=4, budget=100, warm_start=str(tmp_path / "source.npz"))
    assert np.abs(warm.ask().mean(axis=0) - 3).max() < 1


@pytest.mark.parametrize("dim", [3, 5])
def test_a_warm_start_from_another_space_is_one_line(tmp_path, dim):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "source.npz", candidates=rng.standard_normal((200, 4)), losses=rng.standard_normal(200))
    with pytest.raises(dp.InputError, match="its candidates have 4 coordinates"):
        dp.create_optimizer("cmaes", dim=dim, budget=100, warm_start=str(tmp_path / "source.npz"))


def test_one_dimension_in_a_box_away_from_zero():
    optimizer = dp.create_optimizer("cmaes", dim=1, budget=20, x0=[1.5], bounds=(1.0, 2.0))
    assert ((optimizer.ask() - 1.5).__abs__() <= 0.5).all()


def test_a_warm_start_from_nothing_is_one_line(tmp_path):
    with pytest.raises(dp.InputError, match=r"cannot start from .*no\.npz"):
        dp.create_optimizer("cmaes", dim=4, budget=100, warm_start=str(tmp_path / "no.npz"))


def test_options_of_the_full_covariance_only():
    with pytest.raises(dp.InputError, match="'sep' takes neither"):
        dp.create_optimizer("cmaes:sep", dim=4, budget=100, learning_rate_adaptation=True)
