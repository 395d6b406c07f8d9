"""Libraries with global state affect neither each other nor the rest of the process, in threads too."""

import random
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import dfo_prompt as dp
from dfo_prompt.optimizers.isolation import silenced


@pytest.fixture
def hasty():
    """Let threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def draws():
    return float(np.random.random()), random.random(), float(torch.rand(()))  # noqa: NPY002


def test_the_inside_goes_on_where_it_stopped_and_the_outside_never_notices():
    def outside():
        np.random.seed(5)  # noqa: NPY002
        random.seed(5)
        torch.manual_seed(5)
        return draws()

    alone = dp.Isolation(1)
    with alone():
        expected = [draws(), draws()]
    plain, isolation = outside(), dp.Isolation(1)
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    torch.manual_seed(5)
    with isolation():
        first = draws()
    assert draws() == plain
    with isolation():
        second = draws()
    assert [first, second] == expected


def test_the_default_dtype_outside_changes_nothing_inside():
    with dp.Isolation(1)():
        expected = draws()
    torch.set_default_dtype(torch.float64)
    try:
        with dp.Isolation(1)():
            inside = draws()
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert inside == expected


def test_an_error_inside_gives_everything_back():
    before, filters = np.random.get_state()[1].copy(), list(warnings.filters)  # noqa: NPY002

    def fail():
        with dp.Isolation(1)():
            raise KeyError(draws())

    with pytest.raises(KeyError):
        fail()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert warnings.filters == filters


@pytest.mark.parametrize("seed", [0, 2**31, 2**32, 2**63, 2**70])
def test_any_seed_will_do(seed):
    with dp.Isolation(seed)():
        assert len(set(draws())) == 3


def test_threads_take_turns(hasty):
    filters = list(warnings.filters)

    def inside(seed):
        isolation, found = dp.Isolation(seed), []
        for _ in range(200):
            with isolation():
                found.append(draws())
            with silenced():
                warnings.warn("not seen", stacklevel=1)
        return found

    alone = [inside(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(inside, range(4))) == alone
    assert warnings.filters == filters


OTHERS = ("cma:vd", "cma:vkd", "pymoo:CMAES", "pymoo:GA", "nevergrad:DE", "blockwise:cma:vd")


@pytest.mark.parametrize("name", ["cma", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_studies_in_threads_write_the_journals_that_they_write_alone(name, tmp_path, hasty):
    def journal(where, seed):
        objective = dp.create_objective("sphere", dim=12)
        dp.minimize(objective, optimizer=name, budget=60, popsize=6, seed=seed, out=tmp_path / where / str(seed))
        return (tmp_path / where / str(seed) / "journal.jsonl").read_bytes()

    alone = [journal("alone", seed) for seed in range(6)]
    screen, filters = sys.stdout, list(warnings.filters)
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda seed: journal("together", seed), range(6))) == alone
    assert sys.stdout is screen
    assert warnings.filters == filters
