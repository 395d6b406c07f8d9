"""The trust region: where its centre is, and when its side changes."""

import dfo_prompt_botorch.turbo as module
import numpy as np
import pytest

import dfo_prompt as dp

pytestmark = pytest.mark.slow


def turbo(**changes):
    return dp.create_optimizer("botorch:turbo", **{"dim": 4, "budget": 200, "popsize": 2, "points": 32, **changes})


def test_the_best_point_stays_the_centre_however_old_it_is(monkeypatch):
    centres = []
    choices = module.TuRBO._choices
    monkeypatch.setattr(module.TuRBO, "_choices", lambda *given: centres.append(given[2].numpy()) or choices(*given))
    optimizer = turbo(memory=4, initial=4)
    for step in range(8):
        candidates = optimizer.ask()
        optimizer.tell(candidates, np.array([0.0, 1.0]) if not step else np.ones(len(candidates)))
    assert len(centres) == 6
    assert not np.abs(centres).any()  # x0, which was the best


def test_the_side_waits_for_the_first_model():
    optimizer = turbo(popsize=1, initial=10)
    for loss in range(10):
        optimizer.tell(optimizer.ask(), np.array([float(loss)]))
    assert optimizer.describe()["side"] == module.INITIAL_SIDE


@pytest.mark.parametrize(("dim", "popsize", "batches"), [(4, 2, 2), (20, 12, 2), (20, 20, 1), (3, 1, 4), (10, 3, 4)])
def test_the_side_halves_after_as_many_failures_as_in_the_reference_code(dim, popsize, batches):
    optimizer = turbo(dim=dim, popsize=popsize, initial=1)
    sides = []
    for _ in range(1 + batches):
        optimizer.tell(optimizer.ask(), np.ones(popsize))
        sides.append(optimizer.describe()["side"])
    assert sides == [module.INITIAL_SIDE] * batches + [module.INITIAL_SIDE / 2]


def test_the_side_grows_to_twice_its_first_and_shrinks_to_a_hundredth():
    optimizer = turbo(popsize=4, initial=4)
    for loss in range(8, 0, -1):
        optimizer.tell(optimizer.ask(), np.full(4, float(loss)))
    assert optimizer.describe()["side"] == 2 * module.INITIAL_SIDE
    for _ in range(7):
        optimizer.tell(optimizer.ask(), np.full(4, 9.0))
    assert optimizer.describe() == {"restarts": 0, "side": module.INITIAL_SIDE / 2**6}
    optimizer.tell(optimizer.ask(), np.full(4, 9.0))
    assert optimizer.describe() == {"restarts": 1, "side": module.INITIAL_SIDE}


@pytest.mark.parametrize("option", ["initial", "points", "memory", "fit_steps"])
def test_an_option_out_of_range_is_refused_before_the_first_query(option):
    with pytest.raises(dp.InputError, match=f"{option}: Input should be greater than or equal to 1, not 0"):
        turbo(**{option: 0})
    with pytest.raises(dp.InputError, match=f"{option}: Input should be less than or equal to 10+, not"):
        turbo(**{option: 10**10})


def test_the_smallest_options_work():
    optimizer = turbo(popsize=1, initial=1, points=1, memory=1, fit_steps=1)
    for loss in (3.0, 2.0, 4.0):
        optimizer.tell(optimizer.ask(), np.array([loss]))
    assert np.isfinite(optimizer.ask()).all()
