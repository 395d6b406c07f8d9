import numpy as np
import pytest
from fakes import Bowl

import dfo_prompt as dp
from dfo_prompt.errors import InputError


def test_minimize_is_one_line():
    result = dp.minimize(Bowl(5), optimizer="cma", budget=300, seed=1, x0=np.ones(5))
    assert result.best_loss is not None
    assert result.best_loss < 0.1
    assert result.spent.queries == 300


def test_ask_and_tell_by_hand():
    optimizer = dp.create_optimizer("cma", dim=4, budget=400, sigma=0.5)
    objective = dp.create_objective("sphere", dim=4, seed=3)
    losses = np.array([np.inf])
    start = objective.evaluate(np.zeros((1, 4))).losses[0]
    for _ in range(40):
        candidates = optimizer.ask()
        losses = objective.evaluate(candidates).losses
        optimizer.tell(candidates, losses)
    assert losses.min() < 0.01 * start


def test_the_same_folder_continues_and_another_study_is_refused(tmp_path):
    first = dp.minimize(Bowl(), budget=20, out=tmp_path)
    objective = Bowl()
    again = dp.minimize(objective, budget=20, out=tmp_path)
    assert objective.queries == 0
    assert again.best_loss == first.best_loss
    with pytest.raises(InputError, match="seed is 0 there and 1 here"):
        dp.minimize(Bowl(), budget=20, out=tmp_path, seed=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "cna"}, "unknown optimizer 'cna'; did you mean 'cma'"),
        ({"covarince": "vd"}, "unknown option of optimizer 'cma': 'covarince'; did you mean 'covariance'"),
        ({"covariance": "odd"}, "optimizer 'cma': covariance: Input should be 'full', 'diagonal', 'vd' or 'vkd', not 'odd'"),
        ({"active": 3}, "optimizer 'cma': active: Input should be a valid boolean, not 3"),
        ({"budget": 0}, r"minimize\(\): budget: "),
        ({"x0": np.zeros(2)}, "x0 has 2 coordinates, dim is 3"),
        ({"optimizer": "nevergrad:OnePlusTwo"}, "OnePlusOne"),
    ],
)
def test_a_mistake_is_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        dp.minimize(Bowl(), **{"budget": 20, **arguments})
    assert "\n" not in str(caught.value)


def test_an_unknown_objective_is_one_line():
    with pytest.raises(InputError, match="unknown objective 'spere'; did you mean 'sphere'"):
        dp.create_objective("spere", dim=2)


def test_a_missing_backend_names_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dfo_prompt.optimizers.nevergrad", None)
    with pytest.raises(InputError, match=r"needs an extra: pip install 'dfo-prompt\[nevergrad\]'"):
        dp.create_optimizer("nevergrad:OnePlusOne", dim=2, budget=9)


def test_every_public_name_is_there():
    assert all(getattr(dp, name) is not None for name in dp.__all__)
    assert set(dp.__all__) <= set(dir(dp))
    with pytest.raises(AttributeError, match="nothing_such"):
        dp.nothing_such  # noqa: B018
