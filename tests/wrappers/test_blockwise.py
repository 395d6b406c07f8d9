import numpy as np
import pytest

import dfo_prompt as dp
from dfo_prompt.errors import InputError


def make(blocks=3, dim=7, **changes):
    settings = {"dim": dim, "budget": 90, "popsize": 4, "sigma": 0.5, "x0": np.ones(dim), "seed": 1}
    return dp.create_optimizer("blockwise:cma", **settings, blocks=blocks, **changes)


def test_one_block_changes_at_a_time_from_the_first_to_the_last():
    optimizer = make()
    best = np.ones(7)
    for number in range(6):
        candidates = optimizer.ask()
        changed = (candidates != best).any(axis=0)
        np.testing.assert_array_equal(np.flatnonzero(changed), ([0, 1, 2], [3, 4], [5, 6])[number % 3])
        losses = (candidates**2).sum(axis=1)
        if number == 0 or losses.min() < (best**2).sum():
            best = candidates[losses.argmin()]
        optimizer.tell(candidates, losses)
        np.testing.assert_array_equal(optimizer.recommend(), best)


def test_blocks_are_searched_by_optimizers_of_different_seeds():
    optimizer = make(blocks=2, dim=6)
    first = optimizer.ask()
    optimizer.tell(first, np.arange(4.0))
    second = optimizer.ask()
    assert not np.array_equal(first[:, :3], second[:, 3:])


@pytest.mark.parametrize(("blocks", "count"), [(1, 1), (7, 7), (50, 7)])
def test_there_are_no_more_blocks_than_coordinates(blocks, count):
    assert make(blocks=blocks).describe()["blocks"] == count


@pytest.mark.parametrize("blocks", [0, -3])
def test_fewer_than_one_block_is_refused(blocks):
    with pytest.raises(InputError, match=f"blocks: Input should be greater than or equal to 1, not {blocks}"):
        make(blocks=blocks)


def test_it_finds_the_minimum_of_a_separable_function():
    objective = dp.create_objective("sphere", dim=12)
    result = dp.minimize(objective, optimizer="blockwise:cma:sep", budget=3000, blocks=4, popsize=6)
    assert result.best_loss is not None
    assert result.best_loss < 1e-3


def test_an_unknown_optimizer_inside_is_one_line():
    with pytest.raises(InputError, match="unknown optimizer 'cmb'; did you mean 'cma'"):
        dp.create_optimizer("blockwise:cmb", dim=3, budget=9)


def test_a_block_can_spend_its_share_before_the_next_one_begins():
    optimizer, best, turns = make(blocks=3, dim=6, whole=True), np.ones(6), []
    for _ in range(9):
        candidates = optimizer.ask()
        turns.append(int(np.flatnonzero((candidates != best).any(axis=0))[0] // 2))
        losses = np.square(candidates).sum(axis=1)
        if losses.min() < np.square(best).sum():
            best = candidates[losses.argmin()]
        optimizer.tell(candidates, losses)
    assert turns == [0] * 8 + [1]  # of 90 queries 30 each, four at a time
