"""Curves of studies that end before their budget."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from suites import finished_suite

import dfo_prompt as dp
from dfo_prompt.report.analysis import analyse
from dfo_prompt.report.curves import hits
from dfo_prompt.report.pictures.convergence import EARLY, convergence
from dfo_prompt.suite.folder import study_path

SUITE = """\
name = "early"
seeds = [1, 2, 3]
threads = 1
measure = "best_loss"
optimizers = ["random", "cma"]
[study]
objective = "sphere"
dim = 2
popsize = 4
budget = 60
[[problems]]
name = "until near"
stop = { target = 0.1 }
[[problems]]
name = "short"
budget = 20
"""


@pytest.fixture(scope="module")
def early(tmp_path_factory):
    return finished_suite(tmp_path_factory.mktemp("early"), SUITE)


def rows_of(analysis, problem):
    return np.flatnonzero(analysis.studies["problem"] == problem)


def test_a_study_that_ends_early_keeps_its_last_value_up_to_its_own_budget(early):
    analysis = analyse(early)
    studies = analysis.studies
    stopped = rows_of(analysis, "until near")
    assert (studies["queries"].iloc[stopped] < 60).any()
    for row in stopped:
        curve, spent = analysis.curves[row], studies["queries"].iloc[row]
        assert curve[-1] == curve[spent - 1] == studies["best_loss"].iloc[row]
        targets = np.array([5.0, 1.0])
        cut = np.where(np.arange(60) < spent, curve, np.nan)
        np.testing.assert_array_equal(hits(curve[None], targets), hits(cut[None], targets))
    short = analysis.curves[rows_of(analysis, "short")]
    assert np.isfinite(short[:, :20]).all()
    assert np.isnan(short[:, 20:]).all()


def test_the_area_of_a_study_that_ends_early_counts_its_whole_budget(early):
    analysis = analyse(early)
    areas = {name: [] for name in analysis.complete}
    for _, rows in analysis.studies.groupby(["problem", "seed"]):
        journals = {row.optimizer: dp.read_journal(study_path(early, row.study))["best_loss"] for row in rows.itertuples()}
        start = np.quantile([curve.iloc[0] for curve in journals.values()], 0.5, method="lower")
        best = min(curve.min() for curve in journals.values())
        for name, curve in journals.items():
            whole = np.pad(curve, (0, rows["budget"].iloc[0] - len(curve)), mode="edge")
            areas[name].append(np.clip((start - whole) / (start - best), 0, 1).mean())
    board = analysis.leaderboard.set_index("optimizer")["area"]
    assert board.to_dict() == pytest.approx({name: np.mean(shares) for name, shares in areas.items()})


def test_no_median_of_the_convergence_rises(early):
    analysis = analyse(early)
    near, short = (convergence(analysis, problem) for problem in ("until near", "short"))
    for _, curve in near.data.groupby("optimizer"):
        assert np.isfinite(curve["median"]).all()
        assert (np.diff(curve["median"]) <= 0).all()
    assert EARLY in near.text
    assert EARLY not in short.text


def test_a_study_without_a_result_has_no_value_after_its_last_query(early, tmp_path):
    shutil.copytree(early, tmp_path / "out")
    studies = analyse(early).studies
    row = int(np.flatnonzero((studies["problem"] == "until near") & (studies["queries"] < 60))[0])
    (study_path(tmp_path / "out", studies["study"].iloc[row]) / "result.json").unlink()
    curve = analyse(tmp_path / "out").curves[row]
    assert np.isnan(curve[studies["queries"].iloc[row] :]).all()


def test_a_seed_without_a_loss_yet_counts_as_infinite_in_the_median(early):
    analysis = analyse(early)
    curves = analysis.curves.copy()
    first, *_ = rows = [row for row in rows_of(analysis, "short") if analysis.studies["optimizer"].iloc[row] == "cma"]
    curves[rows, :20] = [[9.0], [5.0], [7.0]]
    curves[first, :5] = curves[rows[1], :3] = np.nan
    picture = convergence(replace(analysis, curves=curves), "short")
    median, low, high = picture.data.loc[picture.data["optimizer"] == "cma", ["median", "low", "high"]].to_numpy().T
    np.testing.assert_array_equal(median, [np.nan] * 3 + [7.0] * 17)
    assert np.isnan([low[:5], high[:5]]).all()
    assert (low[5:] <= 7).all()
    assert (high[5:] >= 7).all()
