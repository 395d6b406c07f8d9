"""The summary of a study takes whatever the objective says of itself."""

import pytest

import dfo_prompt as dp
from dfo_prompt.report.summary import summarize


class Described:
    dim = 2

    def __init__(self, **facts):
        self._facts = facts

    def evaluate(self, candidates):
        return dp.Evaluation(losses=(candidates**2).sum(axis=1))

    def describe(self):
        return self._facts


@pytest.mark.parametrize("value", [3, ["a"], {"a": 1}, None, True])
def test_a_fact_that_is_no_text_is_left_out(tmp_path, value):
    objective = Described(task="mine", model=value, metric=value)
    dp.minimize(objective, optimizer="random", budget=4, out=tmp_path / "s")
    summary = summarize(tmp_path / "s")
    assert (summary.task, summary.model, summary.metric) == ("mine", None, None)
