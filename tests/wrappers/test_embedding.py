import numpy as np
import pytest

import dfo_prompt as dp

SETTINGS = {"dim": 40, "budget": 60, "popsize": 6, "sigma": 0.5, "x0": np.ones(40), "seed": 1}


def spend(optimizer, loss=lambda z: (z**2).sum(axis=1), queries=60):
    batches = []
    while sum(map(len, batches)) < queries:
        batches.append(optimizer.ask())
        optimizer.tell(batches[-1], loss(batches[-1]))
    return np.concatenate(batches)


def test_rembo_stays_in_one_subspace_through_the_start():
    steps = spend(dp.create_optimizer("rembo:cma", embedding_dim=4, **SETTINGS)) - 1
    assert np.linalg.matrix_rank(steps) == 4


def test_steps_are_as_large_as_the_study_says():
    settings = SETTINGS | {"popsize": 4000, "budget": 4000}
    steps = dp.create_optimizer("rembo:random", embedding_dim=30, **settings).ask() - 1
    assert steps.std() == pytest.approx(0.5, rel=0.1)


def test_a_new_subspace_goes_through_the_best_point():
    optimizer = dp.create_optimizer("redrawn:cma", embedding_dim=3, draws=2, **SETTINGS)
    first = spend(optimizer, queries=30)
    best = first[(first**2).sum(axis=1).argmin()]
    second = optimizer.ask()
    assert np.linalg.matrix_rank(second - best) == 3
    assert np.linalg.matrix_rank(second - 1) == 4  # the old subspace holds the best point, and not the steps from it


def test_a_sequence_can_take_back_what_it_found():
    optimizer = dp.create_optimizer("sre:cma", embedding_dim=3, draws=2, **SETTINGS)
    first = spend(optimizer, queries=30)
    best = first[(first**2).sum(axis=1).argmin()]
    steps = optimizer.ask() - best
    assert np.linalg.matrix_rank(steps) == 4
    assert np.linalg.matrix_rank(np.vstack([steps, best - 1])) == 4


def test_a_few_directions_out_of_many_are_found():
    def few(z):
        return ((z[:, :2] - 3) ** 2).sum(axis=1)

    settings = SETTINGS | {"dim": 500, "budget": 400, "x0": np.zeros(500)}
    for name in ("rembo:cma", "sre:cma", "redrawn:cma"):
        assert few(spend(dp.create_optimizer(name, **settings), few, 400)).min() < 0.1


@pytest.mark.parametrize(("name", "option"), [("sre:cma", "draws"), ("rembo:cma", "embedding_dim")])
@pytest.mark.parametrize("value", [0, -1])
def test_fewer_than_one_is_refused(name, option, value):
    with pytest.raises(dp.InputError, match=f"{option}: Input should be greater than or equal to 1, not {value}"):
        dp.create_optimizer(name, **SETTINGS, **{option: value})


def test_bounds_hold():
    z = spend(dp.create_optimizer("sre:cma", bounds=(-0.5, 1.2), **SETTINGS))
    assert z.min() >= -0.5
    assert z.max() <= 1.2
