"""`minimize` from Python takes objectives and plain functions."""

import numpy as np
import pandas as pd
import pytest
import torch
from fakes import Bowl

import dfo_prompt as dp
from dfo_prompt.study.records import read_records


def bowl(z):
    assert z.shape == (4,)
    return (z**2).sum()


def bowls(z):
    assert z.shape[1:] == (4,)
    return (z**2).sum(axis=1)


def test_functions_of_one_candidate_and_of_several_are_the_same_study():
    one = dp.minimize(bowl, dim=4, budget=200, seed=3, x0=np.ones(4))
    several = dp.minimize(bowls, dim=4, vectorized=True, budget=200, seed=3, x0=np.ones(4))
    assert one.best_loss == several.best_loss < 0.1
    assert one.best.tolist() == several.best.tolist()


def test_a_function_whose_losses_vary_goes_on_if_it_says_so(tmp_path):
    drawn = iter(range(10**6))
    noisy = lambda z: bowl(z) + next(drawn)  # noqa: E731
    arguments = {"dim": 4, "budget": 20, "seed": 3, "out": tmp_path / "s"}
    first = dp.minimize(noisy, **arguments)
    with pytest.raises(dp.InputError, match="or set its attribute deterministic = False if its losses vary"):
        dp.minimize(noisy, **arguments)
    noisy.deterministic = False
    assert dp.minimize(noisy, **arguments).best_loss == first.best_loss


def test_a_study_of_a_function_goes_on(tmp_path):
    first = dp.minimize(bowl, dim=4, budget=40, seed=3, out=tmp_path / "s")
    assert dp.minimize(bowl, dim=4, budget=40, seed=3, out=tmp_path / "s").best_loss == first.best_loss
    other = lambda z: bowl(z) + 1  # noqa: E731
    with pytest.raises(dp.InputError, match="holds another study"):
        dp.minimize(other, dim=4, budget=40, seed=3, out=tmp_path / "s")
    (tmp_path / "s" / "result.json").unlink()
    other.__name__ = "bowl"
    with pytest.raises(dp.DfoPromptError, match="loss"):
        dp.minimize(other, dim=4, budget=40, seed=3, out=tmp_path / "s")


def test_a_function_that_is_not_vectorized_as_said_fails_loudly():
    with pytest.raises(dp.PluginError, match="shape"):
        dp.minimize(lambda z: (np.asarray(z) ** 2).sum(), dim=4, vectorized=True, budget=20)


@pytest.mark.parametrize(
    "losses",
    [lambda z: pd.Series((z**2).sum(axis=1)).sort_values(), lambda z: np.ma.masked_less((z**2).sum(axis=1), 1e9)],
    ids=["in another order", "all masked"],
)
def test_losses_that_are_no_plain_array_are_read_as_those_of_an_evaluation(losses):
    class Same:
        dim = 3

        def evaluate(self, candidates):
            return dp.Evaluation(losses=losses(candidates))

    outcomes = []
    for objective, more in ((Same(), {}), (losses, {"dim": 3, "vectorized": True})):
        try:
            result = dp.minimize(objective, budget=20, seed=1, **more)
            outcomes.append((result.failures, result.best_loss))
        except dp.DfoPromptError as error:
            outcomes.append((type(error), str(error).replace("Same", "<lambda>")))
    assert outcomes[0] == outcomes[1]


def test_losses_with_gradients_are_losses():
    result = dp.minimize(lambda z: (torch.tensor(z, requires_grad=True) ** 2).sum(1), dim=3, vectorized=True, budget=20)
    assert result.failures == 0


@pytest.mark.parametrize(
    ("objective", "dim", "message"), [(bowl, None, "dim="), (3, 4, "without dim"), ("sphere", 4, "without dim")]
)
def test_what_cannot_be_minimized_is_one_line(objective, dim, message):
    with pytest.raises(dp.InputError, match=message):
        dp.minimize(objective, dim=dim, budget=20)


class Rejected(Exception):
    usage = dp.Usage(requests=2)


def test_a_function_that_raises_for_a_candidate_costs_that_candidate(tmp_path):
    calls = []

    def partial(z):
        calls.append(z)
        if len(calls) in (1, 3, 9):
            raise Rejected(f"call {len(calls)}")
        return (z**2).sum()

    with pytest.warns(RuntimeWarning, match="'partial' failed for 2 of 8 candidates: Rejected: call 1; .* NaN") as caught:
        result = dp.minimize(partial, dim=4, budget=24, popsize=8, out=tmp_path)
    assert len(caught) == 1
    assert (result.failures, result.spent.queries, result.spent.requests) == (3, 24, 6)
    assert [i + 1 for i, record in enumerate(read_records(tmp_path)) if record.status == "nonfinite"] == [1, 3, 9]
    assert np.isnan(result.losses).sum() == 3


@pytest.mark.parametrize("popsize", [1, 4])
def test_a_function_that_always_raises_ends_its_study(popsize, tmp_path):
    def broken(z):
        return z.total()

    with pytest.raises(dp.StudyError, match="'broken' failed (20|5) batches in a row, at last with .error: AttributeError"):
        dp.minimize(broken, dim=4, budget=1000, popsize=popsize, optimizer="random", out=tmp_path)
    assert len(read_records(tmp_path)) == 20


def test_a_batch_that_fails_as_a_whole_is_charged_for_every_call():
    calls = []

    def twice(z):
        calls.append(z)
        if len(calls) <= 4:
            raise Rejected
        return (z**2).sum()

    result = dp.minimize(twice, dim=4, budget=12, popsize=4)
    assert (result.failures, result.spent.requests, result.spent.queries) == (4, 8, 12)


def test_an_outage_and_an_interrupt_end_the_batch_of_a_function_at_once():
    for error in (dp.OutageError("away"), KeyboardInterrupt()):
        calls = []

        def away(z, error=error, calls=calls):
            calls.append(z)
            if len(calls) == 2:
                raise error
            return (z**2).sum()

        with pytest.raises(type(error)):
            dp.minimize(away, dim=4, budget=24, popsize=8)
        assert len(calls) == 2


@pytest.mark.parametrize("name", ["limits", "stop"])
def test_a_number_for_a_table_is_one_line(name):
    with pytest.raises(dp.InputError, match=rf"^minimize\(\): {name}: Input should be .*, not 5$"):
        dp.minimize(bowl, dim=4, budget=20, **{name: 5})


def test_odd_arguments_are_one_line():
    for name in ("out", "start_from"):
        with pytest.raises(dp.InputError, match=rf"^minimize\(\): {name} must be the path of a folder, not 3$"):
            dp.minimize(bowl, dim=4, budget=20, **{name: 3})
    with pytest.raises(dp.InputError, match=r"^minimize\(\): observers must be a list, not None$"):
        dp.minimize(bowl, dim=4, budget=20, observers=None)
    with pytest.raises(dp.InputError, match="^the objective is the class Bowl; give an object of it$"):
        dp.minimize(Bowl, budget=20)


def test_only_public_names_are_listed():
    assert dir(dp) == dp.__all__
    assert dp.__version__[0].isdigit()
