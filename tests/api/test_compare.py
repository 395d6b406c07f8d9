"""`compare` from Python gives the comparison of a suite's report, for functions of this process."""

import json
import os

import numpy as np
import pandas as pd
import pytest
from fakes import Metered

import dfo_prompt as dp
from dfo_prompt.report.analysis import analyse
from dfo_prompt.report.terminal import outcome
from dfo_prompt.suite.folder import read_errors

SETTINGS = {"dim": 3, "budget": 30, "popsize": 5, "seeds": 2}


class Function:
    """Counts its queries; the optimum is at `middle`."""

    __name__ = "valley"

    def __init__(self, middle: float = 1.0) -> None:
        self.middle, self.queries = middle, 0

    def __call__(self, z):
        self.queries += 1
        return float(((z - self.middle) ** 2).sum())


def compare(names, function, **changes):
    return dp.compare(names, function, **{**SETTINGS, **changes})


@pytest.mark.slow
def test_all_have_the_same_budget_and_the_report_is_that_of_the_folder(tmp_path):
    function = Function()
    found = compare(["cma", "random"], function, out=tmp_path / "s")
    assert function.queries == 4 * (30 + 1)  # and the recommended candidate of each
    assert found.studies["queries"].tolist() == [30] * 4
    assert found.folder == tmp_path / "s"
    assert found.verdict.startswith("On this problem (2 seeds), cma")
    pd.testing.assert_frame_equal(found.leaderboard, analyse(tmp_path / "s").leaderboard)
    assert found.leaderboard["optimizer"].tolist() == ["cma", "random"]
    assert found.verdict in outcome(tmp_path / "s", width=10_000)


@pytest.mark.slow
def test_the_same_call_goes_on_after_the_budget_grew(tmp_path):
    for names, budget in ((["random"], 40), (["random"], 900), (["random"], 900), (["random", "cma"], 900)):
        found = compare(names, Function(), budget=budget, popsize=4, seeds=1, out=tmp_path / "s")  # other looks at dev
    assert found.studies["queries"].tolist() == [900, 900]


@pytest.mark.slow
def test_a_named_objective_is_compared_as_in_a_suite(tmp_path):
    here = compare(["cma", "random"], "sphere", out=tmp_path / "here")
    study = {"objective": "sphere", "dim": 3, "budget": 30, "popsize": 5}
    table = {"name": "sphere", "optimizers": ["cma", "random"], "seeds": [1, 2], "study": study}
    suite = dp.run_suite(table, out=tmp_path / "suite", jobs=2)
    assert here.verdict == suite.verdict
    same = [name for name in here.leaderboard if not name.endswith("_seconds")]
    pd.testing.assert_frame_equal(here.leaderboard[same], suite.leaderboard[same])
    for study in here.studies["study"]:
        one, other = (tmp_path / name / "studies" / study / "journal.jsonl" for name in ("here", "suite"))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_without_a_folder_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = compare(["cma", "random"], Function(), out="")
    assert found.folder is None
    assert [*tmp_path.iterdir()] == []
    assert "svg" in found._repr_html_()


@pytest.mark.slow
def test_the_same_call_goes_on_with_further_optimizers(tmp_path):
    compare(["cma", "random"], Function(), out=tmp_path / "s")
    again = Function()
    compare(["cma", "random"], again, out=tmp_path / "s")
    assert again.queries == 1  # is it still the same function?
    more = Function()
    found = compare(["cma", "random", {"name": "far", "optimizer": "random", "sigma": 9.0}], more, out=tmp_path / "s")
    assert more.queries == 1 + 2 * 31
    assert sorted(found.leaderboard["optimizer"]) == ["cma", "far", "random"]


def test_further_optimizers_alone_are_not_compared_on_another_function(tmp_path):
    compare(["cma"], Function(), out=tmp_path / "s", seeds=1)
    with pytest.raises(dp.InputError, match="the objective gives .* now, and gave .*; choose another --out"):
        compare(["random"], Function(2.0), out=tmp_path / "s", seeds=1)
    assert len(compare(["random"], Function(), out=tmp_path / "s", seeds=1).studies) == 1


@pytest.mark.slow
def test_a_comparison_that_was_stopped_goes_on(tmp_path):
    whole = compare(["cma", "random"], Function(), out=tmp_path / "whole")

    class Stopped(Function):
        def __call__(self, z):
            if self.queries == 47:
                raise KeyboardInterrupt
            return super().__call__(z)

    with pytest.raises(KeyboardInterrupt):
        compare(["cma", "random"], Stopped(), out=tmp_path / "s")
    rest = Function()
    found = compare(["cma", "random"], rest, out=tmp_path / "s")
    assert 2 * 31 < rest.queries < 4 * 31 - 40
    for study in whole.studies["study"]:
        one, other = (tmp_path / name / "studies" / study / "journal.jsonl" for name in ("whole", "s"))
        assert one.read_bytes() == other.read_bytes()
    assert found.verdict == whole.verdict


def test_another_function_of_the_same_name_is_refused(tmp_path):
    compare(["cma"], Function(), out=tmp_path / "s")
    with pytest.raises(dp.InputError, match="holds another study"):
        compare(["cma", "random"], Function(middle=2.0), out=tmp_path / "s")
    assert not (tmp_path / "s" / "studies" / "valley" / "random").exists()


@pytest.mark.slow
def test_a_study_that_fails_does_not_take_the_others_with_it(tmp_path):
    def fragile(candidates):
        losses = (candidates**2).sum(axis=1)
        return losses[:1] if losses.max() > 10_000 else losses

    far = {"name": "far", "optimizer": "random", "sigma": 1000.0}
    found = compare(["cma", far, "random"], fragile, vectorized=True, out=tmp_path / "s")
    assert sorted(found.leaderboard["optimizer"]) == ["cma", "random"]
    assert [*found.errors] == ["fragile/far/1", "fragile/far/2"]
    assert all("shape" in error for error in found.errors.values())
    assert found.errors == read_errors(tmp_path / "s")
    assert "2 without a result" in repr(found)


def test_a_comparison_of_which_nothing_has_a_result_names_the_first_error():
    with pytest.raises(dp.StudyError, match="no study has a result; .*shape"):
        compare(["cma"], lambda z: z[:1, 0], vectorized=True)


def test_answers_that_failed_are_no_fault_of_the_measure():
    asked = []

    def function(z):
        asked.append(z)
        return 1.0 if len(asked) == 1 else float("nan")

    with pytest.raises(dp.InputError, match='^the answers of all optimizers failed, .*; choose measure = "best_loss"'):
        compare(["cma"], function, seeds=1)


def test_a_limit_in_dollars_uses_the_prices():
    found = compare(["random"], Metered(), seeds=1, limits={"dollars": 3}, prices=dp.Prices(request="1"))
    assert (found.errors, found.studies["queries"].tolist()) == ({}, [15])  # three batches of five, a request each


@pytest.mark.parametrize(
    ("names", "changes", "message"),
    [
        (["cma", "randm"], {}, "did you mean 'random'"),
        ([], {}, "no optimizers"),
        (["cma", "cma"], {}, "two optimizers are called 'cma'"),
        ([{"name": 300 * "c", "optimizer": "cma"}], {}, "the name of optimizer 'c{40}'... takes 300 bytes, more than 200"),
        ([{"name": "cma", "budget": 40}], {}, "unknown key of optimizer 'cma'"),
        ([{"name": "cma", "seed": 4}], {}, "unknown key of optimizer 'cma'"),
        ([{"name": "cma", "optimizer_options": {"nothing": 4}}], {}, "nothing"),
        ([{"name": "a", "optimizer": 5}], {}, "optimizer 'a': optimizer: Input should be a valid string, not 5"),
        ([{"name": "a", "optimizer_options": 5}], {}, "optimizer 'a': optimizer_options: Input should be .*, not 5"),
        (["cma"], {"limits": 5}, "limits: Input should be .*, not 5"),
        (["cma"], {"stop": 5}, "stop: Input should be .*, not 5"),
        (["cma"], {"seeds": [1, 1]}, "twice"),
        (["cma"], {"seeds": 0}, "seeds"),
        (["cma"], {"seeds": 2.0}, "seeds must be a list, not 2.0"),
        (["cma"], {"seeds": None}, "seeds must be a list, not None"),
        ("cma", {}, "optimizers must be a list, not 'cma'"),
        ({"name": "cma"}, {}, "optimizers must be a list"),
        (None, {}, "optimizers must be a list, not None"),
        (["cma"], {"budget": 0}, "budget"),
        (["cma"], {"dim": None}, "dim="),
        (["cma"], {"measure": "speed"}, "measure"),
        (["cma"], {"out": 3}, "out must be the path of a folder, not 3"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_before_anything_is_asked(names, changes, message):
    function = Function()
    with pytest.raises(dp.InputError, match=message) as failed:
        compare(names, function, **changes)
    assert "\n" not in str(failed.value)
    assert function.queries == 0


def test_a_name_needs_a_dimension():
    with pytest.raises(dp.InputError, match="dim="):
        dp.compare(["cma"], "sphere", budget=20)


def test_a_comparison_is_a_suite_folder(tmp_path, program):
    compare(["cma", "random"], Function(), out=tmp_path / "s")
    assert program("suite", "status", str(tmp_path / "s"))[1].startswith("valley: 4 studies; 4 finished\n")
    plans = json.loads((tmp_path / "s" / "suite.json").read_text())["plans"]
    assert {plan["problem"] for plan in plans} == {"valley"}
    assert dp.read_suite(tmp_path / "s")["finished"].all()


def test_a_function_may_change_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()

    def moving(z):
        os.chdir(tmp_path / "sub")
        return float((z**2).sum())

    found = compare(["random"], moving, out="s", seeds=1)
    assert found.folder == tmp_path / "s"
    assert [*(tmp_path / "sub").iterdir()] == []


def test_numbers_of_numpy_are_numbers():
    found = compare(["cma"], Function(), seeds=np.int64(2))
    assert sorted(found.studies["seed"]) == [1, 2]
    assert sorted(compare(["cma"], Function(), seeds=np.arange(3, 5)).studies["seed"]) == [3, 4]
