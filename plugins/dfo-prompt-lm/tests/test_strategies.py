import numpy as np
import pytest
from dfo_prompt_lm.lm_cma import LMCMA
from dfo_prompt_lm.mm_es import MMES
from dfo_prompt_lm.strategy import RankSuccess

import dfo_prompt as dp

SETTINGS = {"dim": 30, "budget": 10_000, "popsize": 12, "seed": 1, "sigma": 0.5, "x0": np.ones(30)}
NAMES = ("lm-ma-es", "lm-cma", "r1-es", "rm-es", "mm-es", "direct-search")


def spend(optimizer, loss):
    queries, best = 0, np.inf
    while queries < optimizer.budget:
        z = optimizer.ask()
        losses = loss(z)
        optimizer.tell(z, losses)
        queries, best = queries + len(z), min(best, losses.min())
    return best


@pytest.mark.parametrize("name", NAMES)
def test_the_sphere_is_solved(name):
    assert spend(dp.create_optimizer(f"lm:{name}", **SETTINGS), lambda z: (z**2).sum(axis=1)) < 1e-4


@pytest.mark.parametrize("name", ["lm-ma-es", "lm-cma", "rm-es", "mm-es"])
def test_a_long_direction_is_learned(name):
    def cigar(z):
        return z[:, 0] ** 2 + 1e4 * (z[:, 1:] ** 2).sum(axis=1)

    learned = spend(dp.create_optimizer(f"lm:{name}", **SETTINGS), cigar)
    assert learned < 0.5 < cigar(np.ones((1, 30)))[0]


def test_directions_of_mm_es_stay_spread_over_the_space():
    optimizer = MMES(**{**SETTINGS, "dim": 500, "x0": np.ones(500)})
    for generation in range(60):
        z = optimizer.ask()
        shares = np.linalg.svd(z - optimizer.mean, compute_uv=False) ** 2
        assert shares[0] < 0.4 * shares.sum()
        optimizer.tell(z, (z**2).sum(axis=1))
        assert len(optimizer._archive) == min(generation + 1, 46)


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_mm_es_works_in_few_dimensions(dim):
    sphere = spend(MMES(**{**SETTINGS, "dim": dim, "x0": np.ones(dim), "budget": 3000}), lambda z: (z**2).sum(axis=1))
    assert sphere < 1e-2


def test_the_inverse_factor_undoes_the_factor():
    optimizer = LMCMA(**SETTINGS)
    spend(optimizer, lambda z: (np.arange(1, 31) * z**2).sum(axis=1))
    z = np.random.default_rng(0).standard_normal((1, 30))
    optimizer.rng = type("Fixed", (), {"standard_normal": lambda self, shape: z})()
    np.testing.assert_allclose(optimizer._inverse_of(optimizer.draw()[0]), z[0], atol=1e-8)


def test_ranks_say_whether_a_generation_is_better():
    weights = np.full(3, 1 / 3)
    for best, grows in ((np.array([0.1, 0.2, 0.3]), True), (np.array([4.0, 5.0, 6.0]), False)):
        success = RankSuccess(weights)
        assert success.factor(np.array([1.0, 2.0, 3.0])) == 1
        assert (success.factor(best) > 1) is grows


def test_a_generation_as_good_as_the_one_before_is_no_worse():
    success = RankSuccess(np.full(3, 1 / 3), target=0.0)
    assert success.factor(np.ones(3)) == success.factor(np.ones(3)) == 1.0
    assert success.factor(np.zeros(3)) > 1
    assert success.factor(np.ones(3)) < success.factor(np.zeros(3))


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("rm-es", "paths", 0),
        ("rm-es", "gap", 0),
        ("lm-cma", "memory", -2),
        ("lm-cma", "memory", 0),
        ("lm-ma-es", "memory", -1),
        ("mm-es", "mixed", 0),
        ("mm-es", "mixed", 10**9),
        ("lm-ma-es", "memory", 10**9),
        ("direct-search", "grow", 0.5),
        ("direct-search", "shrink", 1.0),
        ("direct-search", "decrease", -1.0),
        ("direct-search", "grow", float("nan")),
    ],
)
def test_an_option_out_of_range_is_refused_before_the_first_query(name, option, value):
    with pytest.raises(dp.InputError, match=f"'lm:{name}': {option}: Input should be "):
        dp.create_optimizer(f"lm:{name}", **SETTINGS, **{option: value})
