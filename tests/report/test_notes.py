"""Terminal, notebook, page, JSON and Markdown say in the same sentences which entries are not ranked, and why."""

import json
import shutil
from dataclasses import replace
from html import unescape

import pytest

import dfo_prompt as dp
from dfo_prompt.report.analysis import analyse
from dfo_prompt.report.html import suite_html
from dfo_prompt.report.notes import missing, other_looks
from dfo_prompt.report.terminal import outcome
from dfo_prompt.report.verdict import notes, remarks, verdict
from dfo_prompt.report.write import write_report

GONE = "1 of 8 studies have no result. Not ranked, because results on some problems or seeds are missing: far."


def bowl(z):
    return float(((z - 1) ** 2).sum())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suites") / "out"
    again = {"name": "again", "optimizer": "cma"}
    far = {"name": "far", "optimizer": "random", "sigma": 5.0}
    dp.compare(["cma", again, "random", far], bowl, dim=2, budget=12, seeds=2, out=folder, progress=False)
    shutil.rmtree(next(folder.glob("studies/*/far/2")))
    return folder


def without(folder, *studies):
    """Return the analysis of a folder, as if these studies (or those of these entries) had no recommended loss."""
    for file in folder.glob("studies/*/*/*/result.json"):
        entry, seed = file.parts[-3:-1]
        if {entry, f"{entry}/{seed}"} & {*studies}:
            file.write_text(json.dumps({**json.loads(file.read_text()), "recommended_loss": None}))
    return analyse(folder)


def test_all_forms_say_what_is_missing_and_what_is_identical(folder):
    analysis = analyse(folder)
    said = notes(analysis)
    assert GONE in said
    assert any(note.startswith("cma and again gave identical journals on the 1 problem") for note in said)
    report = write_report(folder).parent
    forms = {
        "terminal": " ".join(outcome(folder, width=80).split()),
        "notebook": unescape(suite_html(analysis)),
        "page": unescape((report / "index.html").read_text()),
        "markdown": unescape((report / "report.md").read_text()).replace("\\", ""),
    }
    for form, text in forms.items():
        for sentence in (verdict(analysis), *said):
            assert sentence in text, form
    found = json.loads((report / "report.json").read_text())
    assert [found["missing"], *found["remarks"], *(group["said"] for group in found["identical"])] == said


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (["cma"], "2 of 4 studies have no result."),
        (["cma", "random"], ""),
    ],
)
def test_studies_without_a_result_are_why_nothing_is_ranked(tmp_path, left, said):
    dp.compare(["cma", "random"], bowl, dim=2, budget=12, seeds=2, out=tmp_path / "s", progress=False)
    for entry in (tmp_path / "s/studies").glob("*/*"):
        if entry.name not in left:
            shutil.rmtree(entry)
    sentence = verdict(analyse(tmp_path / "s"))
    assert sentence.startswith("Fewer than two entries can be ranked: ") == bool(said)
    assert said in sentence


def test_a_suite_of_one_entry_says_so(tmp_path):
    alone = dp.compare(["cma"], bowl, dim=2, budget=12, seeds=2, progress=False)
    assert alone.verdict == "Fewer than two entries can be ranked: cma is the only one."


def test_a_measure_that_entries_do_not_have_is_named(tmp_path):
    names = ["cma", "random", {"name": "far", "optimizer": "random", "sigma": 5.0}]
    dp.compare(names, bowl, dim=2, budget=12, seeds=2, out=tmp_path / "s", progress=False)
    some = without(tmp_path / "s", "far/2")
    assert verdict(some).startswith("On this problem")
    assert missing(some) == "Not ranked, because recommended_loss is missing on some problems or seeds: far."
    few = without(tmp_path / "s", "random")
    assert verdict(few) == (
        "Fewer than two entries can be ranked: far has no recommended_loss on some problems or seeds, and random has no "
        "recommended_loss; give the suite another measure."
    )
    none = without(tmp_path / "s", "far")
    assert verdict(none) == (
        "Fewer than two entries can be ranked: random and far have no recommended_loss; give the suite another measure."
    )
    assert missing(none) == "Not ranked, because recommended_loss is missing: random, far."


def test_a_failed_study_does_not_hide_that_the_others_have_no_measure():
    class Picky:
        dim = 2

        def evaluate(self, candidates):
            if len(candidates) == 3:
                raise ValueError("batches of three")
            return dp.Evaluation(losses=(candidates**2).sum(axis=1))

    three = {"name": "three", "optimizer": "random", "popsize": 3}
    with pytest.raises(dp.InputError, match="no finished study in .* has a test_metric; give the suite another measure"):
        dp.compare(["cma", three], Picky(), budget=12, seeds=1, measure="test_metric", progress=False)
    with pytest.raises(dp.StudyError, match="no study has a result; .*batches of three"):
        dp.compare([three], Picky(), budget=12, seeds=1, progress=False)


def test_an_entry_with_another_start_is_named(tmp_path):
    names = ["cma", {"name": "near", "optimizer": "cma", "x0": [0.1, 0.1]}]
    said = "near started elsewhere (x0); queries that found this start are not counted."
    dp.compare(names, bowl, dim=2, budget=12, seeds=2, out=tmp_path / "one", progress=False)
    assert said in remarks(analyse(tmp_path / "one"))
    names[0] = {"name": "far", "optimizer": "random", "x0": [0.1, 0.1]}
    dp.compare(names, bowl, dim=2, budget=12, seeds=2, out=tmp_path / "both", progress=False)
    assert "started elsewhere" not in str(remarks(analyse(tmp_path / "both")))


def test_entries_that_are_evaluated_on_dev_at_other_intervals_are_named(tmp_path, folder):
    analysis = analyse(folder)
    plans = tuple(replace(plan, config=replace(plan.config, validate_every=5)) for plan in analysis.findings.suite.plans)
    often = tuple(
        plan if plan.optimizer == "cma" else other for plan, other in zip(analysis.findings.suite.plans, plans, strict=True)
    )

    def said(plans, measure):
        suite = replace(
            analysis.findings.suite, plans=plans, settings=replace(analysis.findings.suite.settings, measure=measure)
        )
        return other_looks(replace(analysis, findings=replace(analysis.findings, suite=suite)))

    assert said(often, "test_metric").startswith(
        "Evaluated on dev: again, random and far every 5 queries; cma every 6 queries."
    )
    assert said(plans, "test_metric") == said(often, "best_loss") == ""
