"""Scores where no query beats the usual start."""

import pytest
from suites import finished_suite, write_planted

from dfo_prompt.report.analysis import analyse

OBJECTIVE = """\
class Planted:
    def __init__(self, *, dim, seed):
        self.dim = dim

    def evaluate(self, candidates):
        return dp.Evaluation(losses=1.0 + np.abs(candidates).sum(axis=1))
"""
SUITE = """\
name = "plateau"
seeds = [1, 2]
threads = 1
optimizers = ["stay", "stray", "random"]
[study]
plugin = "planted.py"
objective = "planted"
dim = 2
popsize = 4
budget = 8
"""


def test_an_answer_worse_than_the_start_scores_nothing_where_the_start_is_the_best_loss(tmp_path):
    write_planted(tmp_path, OBJECTIVE)
    board = analyse(finished_suite(tmp_path, SUITE)).leaderboard.set_index("optimizer")
    assert board["score"].to_dict() == pytest.approx({"stay": 1.0, "stray": 0.0, "random": 0.0})
    assert board["area"].to_dict() == pytest.approx({"stay": 1.0, "stray": 1.0, "random": 0.0})
