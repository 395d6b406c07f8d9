import numpy as np
import pytest

import dfo_prompt as dp
from dfo_prompt.errors import InputError
from dfo_prompt.run.factory import is_deterministic


def make(name="two-stage:random", budget=20, **changes):
    settings = {"dim": 4, "budget": budget, "popsize": 4, "sigma": 0.5, "x0": np.ones(4), "seed": 1}
    return dp.create_optimizer(name, **settings, **changes)


def test_the_second_starts_from_the_best_point_of_the_first_when_its_share_is_spent():
    optimizer, best, stages = make(second="coordinate", share=0.5), None, []
    for _ in range(5):
        stages.append(optimizer.describe()["stage"])
        candidates = optimizer.ask()
        if stages[-1] == 2:  # one coordinate of the best point so far is changed
            assert ((candidates != best).sum(axis=1) <= 1).all()
        losses = np.square(candidates).sum(axis=1)
        optimizer.tell(candidates, losses)
        if best is None or losses.min() < np.square(best).sum():
            best = candidates[losses.argmin()]
    assert stages == [1, 1, 1, 2, 2]  # the third batch spends the share of 10
    np.testing.assert_array_equal(optimizer.recommend(), best)


def test_options_go_to_the_optimizer_that_they_are_for():
    optimizer = make(
        "two-stage:blockwise:cma", first_options={"blocks": 3}, second="blockwise:cma", second_options={"blocks": 2}
    )
    assert optimizer.describe()["inner"]["blocks"] == 3
    while optimizer.describe()["stage"] == 1:
        candidates = optimizer.ask()
        optimizer.tell(candidates, np.square(candidates).sum(axis=1))
    assert optimizer.describe()["inner"]["blocks"] == 2
    assert optimizer.describe()["second"] == "blockwise:cma"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"second": "cmb"}, "unknown optimizer 'cmb'; did you mean 'cma'"),
        ({"second_options": {"blocks": 2}}, "optimizer 'cma:sep'.*blocks"),
        ({"share": 1.0}, "share"),
        ({"second": "pymoo:PatternSearch"}, "'pymoo:PatternSearch' cannot repeat its queries"),
        ({"second": "two-stage:cma", "second_options": {"second": "pymoo:PatternSearch"}}, "'pymoo:PatternSearch' cannot"),
        ({"first_options": {"seed": 1}}, "two-stage: first_options: 'seed' is no option; the study sets it for both stages"),
        ({"second_options": {"outer": 9}}, "two-stage: second_options: 'outer' is no option"),
        ({"second_options": {"name": 9}}, "two-stage: second_options: 'name' is no option"),
        ({"step": float("inf")}, "step: Input should be a finite number"),
        (
            {"second": "cmaes", "second_options": {"warm_start": "w.npz"}},
            "two-stage: second_options: 'warm_start' names a file, which only an optimizer without a wrapper may",
        ),
    ],
)
def test_what_is_wrong_with_the_second_is_found_before_the_first_query(options, message):
    with pytest.raises(InputError, match=message):
        make(**options)


def test_a_second_that_does_not_repeat_itself_may_follow_a_first_that_does_not():
    name = "two-stage:pymoo:PatternSearch"
    assert not is_deterministic(name)  # so that its studies start over
    assert make(name, second="pymoo:PatternSearch").describe()["second"] == "pymoo:PatternSearch"


def test_both_stages_share_the_budget_and_improve():
    objective = dp.create_objective("sphere", dim=12)
    whole = dp.minimize(objective, optimizer="two-stage:cma", budget=600, popsize=6, sigma=0.3)
    part = dp.minimize(objective, optimizer="cma", budget=450, popsize=6, sigma=0.3)
    assert whole.spent.queries == 600
    assert whole.best_loss < part.best_loss


def test_the_stages_do_not_draw_the_same_numbers():
    optimizer = make(second="random", share=0.5, budget=8, step=1.0)
    first = optimizer.ask()
    optimizer.tell(first, np.arange(4.0))
    second = optimizer.ask()
    assert not np.isin(second - first[0], first - np.ones(4)).any()
