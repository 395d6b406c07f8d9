"""Methods of plugins that keep a journal are ranked and drawn like studies."""

import pytest
from suites import finished_suite

from dfo_prompt.report.analysis import analyse
from dfo_prompt.report.verdict import verdict

TUNERS = """
import dfo_prompt as dp
from dfo_prompt.methods.study import study

@dp.hookimpl
def dfo_prompt_methods():
    return [dp.MethodSpec(name="tuner", target="tuners:study", summary="Tunes.", searches=True, tunes=True)]
"""
SUITE = """
name = "tuners"
seeds = [1, 2]
threads = 1
{more}
methods = [
  {{ name = "slow", method = "tuner", sigma = 0.001 }},
  {{ name = "fast", method = "tuner", sigma = 0.5 }},
]
[study]
plugin = "{plugin}"
objective = "sphere"
dim = 4
budget = 60
popsize = 6
"""


@pytest.mark.parametrize("more", ["", 'optimizers = ["random"]'], ids=["alone", "beside an optimizer"])
def test_the_smaller_loss_of_a_method_that_tunes_leads(tmp_path, more):
    (tmp_path / "tuners.py").write_text(TUNERS)
    folder = finished_suite(tmp_path, SUITE.format(plugin=tmp_path / "tuners.py", more=more))
    analysis = analyse(folder)
    assert analysis.studies["searched"].all()
    assert analysis.leaderboard["optimizer"].iloc[0] == "fast"
    assert analysis.leaderboard["area"].notna().all()
    assert "fast" in str(verdict(analysis))
