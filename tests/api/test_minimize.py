"""`minimize` from Python takes objectives and plain functions."""

import numpy as np
import pandas as pd
import pytest
import torch
from fakes import Bowl

import dfo_prompt as dp


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
