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


def test_an_unknown_sampler_is_one_line():
    with pytest.raises(dp.InputError, match="unknown sampler of optuna 'TPF'; did you mean 'TPE'"):
        dp.create_optimizer("optuna:TPF", dim=3, budget=10)
