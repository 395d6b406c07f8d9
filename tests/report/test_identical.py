import json
import re

import numpy as np
import pytest
from suites import finished_suite, write_planted

import dfo_prompt as dp
from dfo_prompt.report.analysis import analyse
from dfo_prompt.report.identical import _groups
from dfo_prompt.report.verdict import verdict
from dfo_prompt.report.write import write_report
from dfo_prompt.suite.folder import study_path

SUITE = """\
name = "restarts"
seeds = [1, 2]
threads = 1
optimizers = ["cma", "cma:ipop", "random", "cma:bipop", { name = "again", optimizer = "random" }]
[study]
dim = 3
popsize = 6
budget = 48
[cross]
objective = ["sphere", "ellipsoid"]
"""
OBJECTIVE = """\
class Planted:
    metric = "accuracy"

    def __init__(self, *, dim, seed):
        pass

    def evaluate(self, candidates):
        return dp.Evaluation(losses=1.0 + (candidates**2).sum(axis=1))

    def validate(self, candidates, split):
        losses = ((candidates - 1.0) ** 2).sum(axis=1)
        return dp.Evaluation(losses=losses, metrics={"accuracy": np.exp(-losses)})

    def baseline(self, split):
        return self.validate(np.zeros((1, 2)), split)
"""
ANSWERS = """\
name = "answers"
seeds = [1, 2]
threads = 1
optimizers = [
    "stay", "stray", "random", { name = "again", optimizer = "random" },
    { name = "often", optimizer = "cma", validate_every = 4 }, { name = "seldom", optimizer = "cma", validate_every = 40 },
]
[study]
plugin = "planted.py"
objective = "planted"
dim = 2
popsize = 4
budget = 40
"""
SAID = (
    "cma, cma:ipop and cma:bipop gave identical journals on all 2 problems that they share (4 studies each): no restart "
    "happened. Treat them as a single entry."
)


@pytest.fixture(scope="module")
def restarts(tmp_path_factory):
    return finished_suite(tmp_path_factory.mktemp("identical"), SUITE)


@pytest.mark.slow
def test_entries_with_identical_journals_are_named_in_every_form_of_the_report(restarts):
    report = write_report(restarts).parent
    for file in ("index.html", "report.md"):
        assert SAID in (report / file).read_text(), file
    found = json.loads((report / "report.json").read_text())["identical"]
    assert found[0] == {"entries": ["cma", "cma:ipop", "cma:bipop"], "said": SAID}
    assert found[1]["entries"] == ["random", "again"]
    assert "their settings are the same" in found[1]["said"]


@pytest.mark.slow
def test_the_verdict_compares_entries_that_differ(restarts):
    named = set(re.findall(r"[\w:]+", verdict(analyse(restarts))))
    for identical in ({"cma", "cma:ipop", "cma:bipop"}, {"random", "again"}):
        assert len(named & identical) == 1


@pytest.mark.slow
def test_a_single_other_loss_makes_entries_different(restarts):
    studies = dp.read_suite(restarts)
    of = studies[(studies["optimizer"] == "cma:ipop") & (studies["seed"] == 2) & (studies["problem"] == "ellipsoid")]
    journal = study_path(restarts, of["study"].iloc[0]) / "journal.jsonl"
    before = journal.read_text()
    lines = before.splitlines()
    last = json.loads(lines[-1])
    lines[-1] = json.dumps({**last, "loss": np.nextafter(last["loss"], np.inf)})
    journal.write_text("\n".join(lines) + "\n")
    names = [group.names for group in analyse(restarts).identical]
    journal.write_text(before)
    assert names == [("cma", "cma:bipop"), ("random", "again")]


def test_entries_of_a_group_share_a_study():
    entries = {
        name: {(problem, 1): "same" for problem in "xyz" if problem != left} for name, left in zip("abc", "xyz", strict=True)
    }
    assert _groups(entries) == [("a", "b")]


def test_where_nothing_is_identical_nothing_is_said(finished):
    assert analyse(finished).identical == ()
    assert json.loads((finished / "report/report.json").read_text())["identical"] == []


def test_entries_with_equal_queries_and_other_answers_differ(tmp_path):
    write_planted(tmp_path, OBJECTIVE)
    analysis = analyse(finished_suite(tmp_path, ANSWERS))
    digests = {study: evidence.digest for study, evidence in analysis.findings.evidence.items()}
    for first, second, figure in (("stay", "stray", "recommended_loss"), ("often", "seldom", "test_metric")):
        rows = [analysis.studies[analysis.studies["optimizer"] == name] for name in (first, second)]
        assert [digests[study] for study in rows[0]["study"]] == [digests[study] for study in rows[1]["study"]]
        assert list(rows[0][figure]) != list(rows[1][figure]), figure
    assert [group.names for group in analysis.identical] == [("random", "again")]
