from dataclasses import dataclass, field, fields

import numpy as np
import pytest
from fakes import Bowl

import dfo_prompt as dp
from dfo_prompt.contracts.usage import currencies
from dfo_prompt.report.frames import STUDY_COLUMNS
from dfo_prompt.study.costs import Spent, read_spent


def test_usages_add_up_in_every_currency():
    one = dp.Usage(**{name: i for i, name in enumerate(currencies(), start=1)})
    two = one + one
    assert [getattr(two, name) for name in currencies()] == [2 * (i + 1) for i in range(len(currencies()))]
    assert isinstance(Spent() + Spent(repeated=1), Spent)


def test_every_currency_is_a_column_with_its_meaning():
    assert set(currencies()) == {one.name for one in fields(dp.Usage)} - {"queries"}
    assert all(STUDY_COLUMNS[name] == about for name, about in currencies().items())
    assert "queries" in STUDY_COLUMNS


def test_a_new_currency_is_one_line():
    @dataclass(frozen=True, kw_only=True)
    class Watched(dp.Usage):
        joules: int = field(default=0, metadata={"about": "energy"})

    assert (Watched(joules=2) + Watched(joules=3)).joules == 5


def test_an_objective_is_charged_in_every_currency(tmp_path):
    class Service(Bowl):
        def evaluate(self, candidates):
            usage = dp.Usage(**{name: np.int64(len(candidates)) for name in currencies()})
            return dp.Evaluation(losses=(candidates**2).sum(axis=1), usage=usage)

    spent = dp.minimize(Service(), budget=20, out=tmp_path / "s").spent
    assert all(getattr(spent, name) == 20 for name in currencies())
    assert read_spent(tmp_path / "s") == spent
    assert all(dp.Usage.__dataclass_fields__[name].type is int for name in currencies())


@pytest.mark.parametrize("currency", currencies())
def test_every_currency_can_be_limited_by_its_name(currency):
    class Service(Bowl):
        costs_again = ()

        def estimate(self, count):
            return dp.Usage(**{"tokens": 3 * count, currency: 3 * count})

        def evaluate(self, candidates):
            return dp.Evaluation(losses=(candidates**2).sum(axis=1), usage=self.estimate(len(candidates)))

    result = dp.minimize(Service(), budget=20, popsize=4, limits={currency: 20})
    assert (result.stop_reason, result.spent.queries, getattr(result.spent, currency)) == (f"limits.{currency}", 6, 18)


def test_a_new_currency_can_be_limited_too():
    @dataclass(frozen=True, kw_only=True)
    class Watched(dp.Usage):
        joules: int = field(default=0, metadata={"about": "energy"})

    budget = dp.Budget(queries=1)
    object.__setattr__(budget, "limits", {"joules": 5})
    assert [budget.binding(Watched(joules=joules), Watched(joules=1)) for joules in (4, 5)] == ["", "joules"]


def test_parts_and_multiples_of_a_usage():
    usage = dp.Usage(rows=2, tokens=3)
    assert usage.only(("tokens",)) == dp.Usage(tokens=3)
    assert usage.times(3) == usage + usage + usage
