"""An adapter proposes the candidates of its backend with the same seed and options."""

import cma
import nevergrad as ng
import numpy as np
import pytest
from pymoo.algorithms.soo.nonconvex.de import DE
from pymoo.algorithms.soo.nonconvex.es import ES
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.algorithms.soo.nonconvex.pso import PSO
from pymoo.core.evaluator import Evaluator
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.problems.static import StaticProblem

import dfo_prompt as dp
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import catalogue

DIM, SEED, POPSIZE, SIGMA, BUDGET, ROUNDS = 6, 3, 8, 0.7, 200, 12
X0 = np.linspace(-1, 1, DIM)


def loss(candidates):
    return ((np.asarray(candidates) - 0.3) ** 2).sum(axis=1)


def through_the_adapter(name, **options):
    optimizer = dp.create_optimizer(name, dim=DIM, budget=BUDGET, seed=SEED, popsize=POPSIZE, sigma=SIGMA, x0=X0, **options)
    asked = []
    for _ in range(ROUNDS):
        asked.append(optimizer.ask())
        optimizer.tell(asked[-1], loss(asked[-1]))
    return np.concatenate(asked), optimizer.recommend()


@pytest.mark.parametrize(
    ("name", "options"), [("cma", {}), ("cma:sep", {"CMA_diagonal": True}), ("cma:passive", {"CMA_active": False})]
)
def test_cma(name, options):
    rng = np.random.default_rng(SEED)
    settings = {"popsize": POPSIZE, "seed": np.nan, "randn": lambda *shape: rng.standard_normal(shape), "verbose": -9}
    es = cma.CMAEvolutionStrategy(X0, SIGMA, {**settings, "verb_log": 0, "signals_filename": "", **options})
    asked = []
    for _ in range(ROUNDS):
        asked.append(np.array(es.ask()))
        es.tell(list(asked[-1]), loss(asked[-1]).tolist())
    candidates, recommended = through_the_adapter(name)
    np.testing.assert_array_equal(candidates, np.concatenate(asked))
    np.testing.assert_array_equal(recommended, es.result.xfavorite)


def test_the_summary_of_tiny_cma_names_the_variant_that_it_equals():
    assert "equals nevergrad:OldCMA" in catalogue().optimizers.find("nevergrad:TinyCMA").summary
    tiny, old = (through_the_adapter(f"nevergrad:{variant}")[0] for variant in ("TinyCMA", "OldCMA"))
    np.testing.assert_allclose(tiny, old, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Clipping very high value")
@pytest.mark.parametrize("variant", ["OnePlusOne", "DE", "PSO", "TBPSA"])
def test_nevergrad(variant):
    state = np.random.get_state()  # noqa: NPY002 - nevergrad seeds its parametrization from it, before we do
    parameter = ng.p.Array(init=X0).set_mutation(sigma=SIGMA)
    parameter.random_state.seed(SEED)
    optimizer = ng.optimizers.registry[variant](parameter, budget=BUDGET, num_workers=POPSIZE)
    asked = []
    for _ in range(ROUNDS):
        batch = [optimizer.ask() for _ in range(POPSIZE)]
        for point in batch:
            optimizer.tell(point, float(loss(point.value[None])[0]))
        asked.append([point.value for point in batch])
    np.random.set_state(state)  # noqa: NPY002
    candidates, recommended = through_the_adapter(f"nevergrad:{variant}")
    np.testing.assert_array_equal(candidates, np.concatenate(asked))
    np.testing.assert_array_equal(recommended, optimizer.provide_recommendation().value)


@pytest.mark.parametrize(
    ("algorithm", "sizes"),
    [
        (DE, {"pop_size": POPSIZE}),
        (GA, {"pop_size": POPSIZE}),
        (PSO, {"pop_size": POPSIZE}),
        (ES, {"n_offsprings": POPSIZE, "pop_size": 1}),
    ],
)
def test_pymoo(algorithm, sizes):
    problem = Problem(n_var=DIM, n_obj=1, xl=X0 - 10 * SIGMA, xu=X0 + 10 * SIGMA)
    first = X0 + SIGMA * np.vstack([np.zeros(DIM), np.random.default_rng(SEED).standard_normal((POPSIZE, DIM))[1:]])
    backend = algorithm(sampling=first, **sizes)
    backend.setup(problem, termination=NoTermination(), seed=SEED)
    asked = []
    for _ in range(ROUNDS):
        infills = backend.ask()
        asked.append(np.array(infills.get("X")))
        Evaluator().eval(StaticProblem(problem, F=loss(asked[-1])[:, None]), infills)
        backend.tell(infills=infills)
    candidates, recommended = through_the_adapter(f"pymoo:{algorithm.__name__}")
    np.testing.assert_array_equal(candidates, np.concatenate(asked))
    np.testing.assert_array_equal(recommended, candidates[loss(candidates).argmin()])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nevergrad:OnePlusTwo", "unknown optimizer of nevergrad 'OnePlusTwo'; did you mean 'OnePlusOne'"),
        ("pymoo:NSGA2", "unknown optimizer 'pymoo:NSGA2'"),
        ("nevergrad:Cobyla", "in a thread, which cannot be replayed"),
        ("nevergrad:ChainCMAPowell", "runs Powell in a thread"),  # a part of a chain
        ("nevergrad:MemeticDE", "in a thread"),
        ("nevergrad:ParaPortfolio", "in a thread"),
    ],
)
def test_a_name_that_cannot_be_used_is_one_line(name, message):
    with pytest.raises(InputError, match=message) as caught:
        dp.create_optimizer(name, dim=3, budget=10)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["cma:ipop", "cma:bipop"])
def test_restarts_go_on_inside_the_budget(name):
    optimizer = dp.create_optimizer(name, dim=2, budget=3000, popsize=6)
    sizes = []
    while sum(sizes) < 3000:
        candidates = optimizer.ask()
        sizes.append(len(candidates))
        optimizer.tell(candidates, np.floor(10 * loss(candidates)))  # a plateau, where pycma stops
    assert optimizer.describe()["restarts"] > 1
    assert max(sizes) >= 12
    assert loss(optimizer.recommend()[None])[0] < 0.1


def test_bipop_starts_the_regime_that_has_used_fewer_queries():
    optimizer = dp.create_optimizer("cma:bipop", dim=5, budget=6000, popsize=8, seed=3, sigma=2.0, x0=np.full(5, 2.0))
    used, largest, doubled, sizes, restarts = {"small": 0, "large": 0}, 8, [], [], 0
    while sum(sizes) < 6000:
        candidates = optimizer.ask()
        if optimizer.describe()["restarts"] > restarts:
            restarts += 1
            large = used["large"] <= used["small"]
            if large:
                largest *= 2
                doubled.append(len(candidates))
            assert (len(candidates) == largest) if large else (len(candidates) <= largest / 2)
        sizes.append(len(candidates))
        if restarts:
            used["large" if large else "small"] += len(candidates)
        optimizer.tell(candidates, (candidates**2 - 10 * np.cos(2 * np.pi * candidates) + 10).sum(axis=1))
    assert doubled[:2] == [16, 32]
    assert used["small"] > 0.4 * used["large"]  # a large run may have begun last


@pytest.mark.parametrize("name", ["DiagonalCMA", "TinyCMA"])
@pytest.mark.parametrize(
    ("dim", "popsize"), [(50, 20), *(pytest.param(*sizes, marks=pytest.mark.slow) for sizes in ((500, 20), (200, 10)))]
)
def test_populations_of_nevergrad_are_told_whole(name, dim, popsize):
    optimizer = dp.create_optimizer(f"nevergrad:{name}", dim=dim, budget=400, popsize=popsize, seed=1)
    for _ in range(20):
        candidates = optimizer.ask()
        optimizer.tell(candidates, (candidates**2).sum(axis=1))
    assert optimizer.describe()["workers"] == len(candidates) >= popsize


@pytest.mark.parametrize("name", ["cma:vd", "cma:vkd"])
def test_advice_of_libraries_does_not_reach_the_screen(name, capsys):
    dp.create_optimizer(name, dim=5, budget=10).ask()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["nevergrad:CMA", "nevergrad:OnePlusOne", "cma", "pymoo:DE"])
def test_one_dimension_in_a_box_away_from_zero(name):
    optimizer = dp.create_optimizer(name, dim=1, budget=20, x0=[1.5], bounds=(1.0, 2.0), sigma=0.1)
    for _ in range(3):
        candidates = optimizer.ask()
        assert ((candidates >= 1) & (candidates <= 2)).all()
        optimizer.tell(candidates, candidates[:, 0])


@pytest.mark.slow
def test_pymoos_cmaes_goes_on_where_it_would_end():
    optimizer = dp.create_optimizer("pymoo:CMAES", dim=3, budget=9000, popsize=8, sigma=0.5, seed=1)
    for _ in range(1100):
        candidates = optimizer.ask()
        assert np.isfinite(candidates).all()
        optimizer.tell(candidates, np.ones(len(candidates)))
    assert optimizer.describe()["restarts"] >= 1


@pytest.mark.parametrize(
    "variant", ["LHSSearch", "HaltonSearch", "HammersleySearch", "MetaRecentering", "ScrHammersleySearch"]
)
@pytest.mark.parametrize("budget", [16, 20, 21])
def test_one_shot_searches_end_with_the_budget(variant, budget):
    result = dp.minimize(dp.create_objective("sphere", dim=3), optimizer=f"nevergrad:{variant}", budget=budget, popsize=8)
    assert result.spent.queries == budget


@pytest.mark.parametrize("box", [(0.0, 1.0), (-1.0, 1.0), (-10.0, 10.0)])
def test_pycma_does_not_cut_the_step_in_a_box(box):
    backend = dp.create_optimizer("cma", dim=4, budget=100, sigma=1.0, bounds=box)._es
    np.testing.assert_allclose(backend.stds, np.ones(4), rtol=1e-3)


@pytest.mark.parametrize(
    ("dim", "budget", "bounds"),
    [(3, 40, (-1.0, 1.0)), (20, 8000, None)],  # Cobyla; a chain that ends with Powell
)
def test_a_wizard_that_would_choose_a_thread_is_asked_for_pairs(dim, budget, bounds):
    optimizer = dp.create_optimizer("nevergrad:NGOpt", dim=dim, budget=budget, popsize=1, bounds=bounds)
    assert optimizer.describe()["workers"] > 1


def test_the_simplex_of_pymoo_moves_along_a_line():
    line = dp.create_objective("sphere", dim=1)
    assert dp.minimize(line, optimizer="pymoo:NelderMead", budget=100).best_loss < 1e-6


def test_the_simplex_of_pymoo_asks_for_its_start_once():
    optimizer = dp.create_optimizer("pymoo:NelderMead", dim=3, budget=20)
    asked = []
    for _ in range(2):
        asked.append(optimizer.ask())
        optimizer.tell(asked[-1], loss(asked[-1]))
    assert len(np.unique(np.concatenate(asked), axis=0)) == sum(map(len, asked)) == 4


@pytest.mark.parametrize("best", [0.0, 0.3])  # a corner, and a point inside
@pytest.mark.parametrize("sigma", [0.2, 1.0])
def test_the_simplex_of_pymoo_restarts_where_it_collapses(best, sigma):
    optimizer = dp.create_optimizer("pymoo:NelderMead", dim=4, budget=800, bounds=(0.0, 0.5), sigma=sigma, seed=1)
    asked, starts = [], []
    while len(asked) < 800:
        candidates = optimizer.ask()
        asked.extend(candidates)
        optimizer.tell(candidates, ((candidates - best) ** 2).sum(axis=1))
        if optimizer.describe()["restarts"] > len(starts):
            starts.append(len(asked))
    assert starts
    assert all(np.ptp(asked[start : start + 5], axis=0).min() > 0.1 for start in starts if start < 795)
    np.testing.assert_allclose(optimizer.recommend(), best, atol=1e-4)


def test_restarts_of_pymoo_are_not_those_of_the_next_seed():
    starts: dict[int, set[tuple[float, ...]]] = {1: set(), 2: set()}
    for seed, found in starts.items():
        optimizer = dp.create_optimizer("pymoo:NelderMead", dim=2, budget=400, seed=seed)
        restarts = spent = 0
        while spent < 400:
            candidates = optimizer.ask()
            if optimizer.describe()["restarts"] > restarts:
                restarts += 1
                found.add(tuple(candidates[0].round(4)))
            optimizer.tell(candidates, (candidates**2).sum(axis=1))
            spent += len(candidates)
    assert min(map(len, starts.values())) > 1
    assert not starts[1] & starts[2]


def test_the_step_of_a_one_plus_one_strategy_does_not_overflow_in_a_large_population():
    optimizer = dp.create_optimizer("nevergrad:OnePlusOne", dim=1, budget=2400, popsize=1200)
    candidates = optimizer.ask()
    optimizer.tell(candidates, -np.arange(1200.0))  # each loss of the batch doubles the step
    assert np.isfinite(optimizer.ask()).all()
