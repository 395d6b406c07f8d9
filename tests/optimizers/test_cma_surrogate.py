"""CMA-ES with a linear-quadratic model of the loss."""

import numpy as np
import pytest

import dfo_prompt as dp


def test_a_quadratic_function_is_solved_by_its_model():
    objective = dp.create_objective("ellipsoid", dim=6, seed=1)
    plain, modelled = (
        dp.minimize(objective, optimizer=name, budget=300, seed=1, popsize=8, sigma=0.5) for name in ("cma", "cma:lq")
    )
    assert modelled.best_loss < 1e-9 < plain.best_loss
    assert modelled.spent.queries == 300
    assert modelled.optimizer_state["model"] == ["linear", "quadratic", "full"]
    assert modelled.optimizer_state["evaluated_share"] < 0.9


def share_of(loss):
    """The share of candidates that are evaluated, in 200 queries."""
    optimizer = dp.create_optimizer("cma:lq", dim=4, budget=200, popsize=8, seed=1)
    asked, shares = 0, []
    while asked < 200:
        candidates = optimizer.ask()
        asked += len(candidates)
        optimizer.tell(candidates, loss(candidates))
        if (share := optimizer.describe()["evaluated_share"]) is not None:
            shares.append(share)
    assert max(shares) <= 1  # also within a generation
    return shares[-1]


def test_more_is_evaluated_where_the_model_ranks_badly():
    rng = np.random.default_rng(0)
    smooth, noise = share_of(lambda z: (z**2).sum(axis=1)), share_of(lambda z: rng.standard_normal(len(z)))
    assert smooth < 0.6 < noise <= 1


def test_it_does_not_restart():
    with pytest.raises(dp.InputError, match="fixes restarts to 'none'"):
        dp.create_optimizer("cma:lq", dim=4, budget=200, restarts="ipop")
