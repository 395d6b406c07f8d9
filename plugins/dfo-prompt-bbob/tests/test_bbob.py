import ioh
import numpy as np
import pytest

import dfo_prompt as dp


@pytest.mark.parametrize("number", range(1, 25))
def test_the_loss_is_zero_at_the_optimum_and_as_ioh_says_elsewhere(number):
    objective = dp.create_objective(f"bbob:{number}", dim=5, seed=2)
    problem = ioh.get_problem(number, instance=3, dimension=5, problem_class=ioh.ProblemClass.BBOB)
    z = np.vstack([problem.optimum.x, np.zeros(5)])
    losses = objective.evaluate(z).losses
    np.testing.assert_allclose(losses, [0, problem(np.zeros(5)) - problem.optimum.y], atol=1e-6)


def test_seeds_are_instances():
    losses = {dp.create_objective("bbob:8", dim=5, seed=seed).evaluate(np.zeros((1, 5))).losses[0] for seed in range(4)}
    assert len(losses) == 4


@pytest.mark.parametrize("seed", [2**31 - 2, 2**31 - 1, 2**40, 2**64])
def test_any_seed_has_an_instance(seed):
    assert dp.create_objective("bbob:1", dim=5, seed=seed).describe()["instance"] >= 1


def test_behind_a_random_embedding_few_directions_matter():
    objective = dp.create_objective("bbob:1", dim=50, seed=1, effective_dim=3)
    null = np.linalg.svd(objective.map)[2][3:]  # (47, 50)
    losses = objective.evaluate(np.vstack([np.zeros(50), null])).losses
    np.testing.assert_allclose(losses, losses[0])
    assert objective.dim == 50


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("bbob:25", {}, "unknown function '25'"),
        ("bbob:1", {"effective_dim": 0}, "0 dimensions are not between 2 and the candidates' 5"),
        ("bbob:1", {"effective_dim": 9}, "9 dimensions are not between 2 and the candidates' 5"),
    ],
)
def test_bad_choices_are_one_line(name, options, said):
    with pytest.raises(dp.InputError, match=said):
        dp.create_objective(name, dim=5, **options)


def test_a_study_of_it_spends_its_budget(tmp_path):
    result = dp.minimize(dp.create_objective("bbob:1", dim=5), optimizer="cma", budget=600, seed=1)
    assert result.spent.queries == 600
    assert result.best_loss < 1e-3
