import pytest
from dfo_prompt_optuna import dfo_prompt_optimizers

import dfo_prompt as dp
from dfo_prompt.testing import OptimizerConformance

pytestmark = pytest.mark.slow


class TestConformance(OptimizerConformance):
    names = tuple(spec.name for spec in dfo_prompt_optimizers() if not spec.name.endswith(":*"))


@pytest.mark.parametrize("name", ["GP", "CmaEs", "QMC", "Random"])
def test_other_samplers_go_by_their_names(name):
    result = dp.minimize(dp.create_objective("sphere", dim=3), optimizer=f"optuna:{name}", budget=15, popsize=5)
    assert result.spent.queries == 15
    assert result.optimizer_state["sampler"] == f"{name}Sampler"


@pytest.mark.parametrize("dim", [1, 10])
@pytest.mark.parametrize("bounds", [None, (-9.0, 31.0)])
def test_cma_steps_by_sigma_after_its_first_population(bounds, dim):
    for sigma in (0.01, 1.0):
        optimizer = dp.create_optimizer("optuna:CmaEs", dim=dim, budget=40, popsize=20, sigma=sigma, seed=1, bounds=bounds)
        first = optimizer.ask()
        optimizer.tell(first, (first**2).sum(axis=1))
        assert 0.5 < optimizer.ask().std() / sigma < 2


def test_an_unknown_sampler_is_one_line():
    with pytest.raises(dp.InputError, match="unknown sampler of optuna 'TPF'; did you mean 'TPE'"):
        dp.create_optimizer("optuna:TPF", dim=3, budget=10)
