"""Entries that minimize different losses are ranked by their test metric, and nothing of their losses is compared."""

from contextlib import nullcontext

import pytest
from suites import finished_suite

from dfo_prompt.errors import InputError
from dfo_prompt.report.analysis import analyse
from dfo_prompt.report.html import suite_html
from dfo_prompt.report.pictures.drawing import draw_all
from dfo_prompt.report.verdict import notes

SUITE = """
name = "losses"
seeds = [1, 2]
threads = 1
measure = "test_metric"
optimizers = ["random", {{ name = "hinge", optimizer = "random", prompt.loss = "{loss}" }}]
[study]
budget = 4
dim = 2
prompt.tokens = 2
[study.problem]
model = "{model}"
task = "{task}"
shots = 4
"""


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["hinge", "cross_entropy"])
def test_curves_of_different_losses_are_not_compared(tmp_path, tiny_folder, tiny_task, loss):
    folder = finished_suite(tmp_path, SUITE.format(loss=loss, model=tiny_folder, task=tiny_task))
    analysis = analyse(folder)
    drawn = {picture.name for picture in draw_all(analysis)}
    said = "minimize different losses (prompt.loss of 'random' and 'hinge' differ): their curves are not compared there."
    differ = loss == "hinge"
    assert any(said in note for note in notes(analysis)) == differ
    assert analysis.leaderboard["area"].isna().all() == differ
    assert ({"convergence-1", "targets", "performance"} & drawn == set()) == differ
    assert {"scores", "gap", "seconds"} <= drawn
    assert ("<svg" in suite_html(analysis)) != differ
    plan = folder / "suite.json"  # as an older version wrote it, which did not refuse such entries
    plan.write_text(plan.read_text().replace('"test_metric"', '"best_loss"'))
    with pytest.raises(InputError, match="prompt.loss of 'random' and 'hinge' differ") if differ else nullcontext():
        analyse(folder)
