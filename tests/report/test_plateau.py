"""Scores where no query beats the usual start."""

import pytest
from suites import finished_suite

from dfo_prompt.report.analysis import analyse

PLUGIN = """\
import dfo_prompt as dp
import numpy as np


class Peak:
    def __init__(self, *, dim, seed):
        self.dim = dim

    def evaluate(self, candidates):
        return dp.Evaluation(losses=1.0 + np.abs(candidates).sum(axis=1))


class Start(dp.Optimizer):
    def ask(self):
        steps = np.linspace(0.0, 1.0, self.popsize)[:, None]
        return self.x0 + steps * np.ones(self.dim)

    def tell(self, candidates, losses):
        pass

    def recommend(self):
        return self.x0


class Stray(Start):
    def recommend(self):
        return self.x0 + 9.0


@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="peak", target="peak:Peak", summary="Best at the start.")]


@dp.hookimpl
def dfo_prompt_optimizers():
    return [
        dp.OptimizerSpec(name="stay", target="peak:Start", summary="Begins at the start."),
        dp.OptimizerSpec(name="stray", target="peak:Stray", summary="Recommends a worse point."),
    ]
"""
SUITE = """\
name = "plateau"
seeds = [1, 2]
threads = 1
optimizers = ["stay", "stray", "random"]
[study]
plugin = "peak.py"
objective = "peak"
dim = 2
popsize = 4
budget = 8
"""


def test_an_answer_worse_than_the_start_scores_nothing_where_the_start_is_the_best_loss(tmp_path):
    (tmp_path / "peak.py").write_text(PLUGIN)
    board = analyse(finished_suite(tmp_path, SUITE)).leaderboard.set_index("optimizer")
    assert board["score"].to_dict() == pytest.approx({"stay": 1.0, "stray": 0.0, "random": 0.0})
    assert board["area"].to_dict() == pytest.approx({"stay": 1.0, "stray": 1.0, "random": 0.0})
