"""New optimizers beside packed studies give the report of a suite that ran them all."""

import gzip
import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest
from suites import finished_suite

import dfo_prompt as dp
from dfo_prompt.errors import InputError
from dfo_prompt.report.analysis import analyse
from dfo_prompt.report.beside import only_new
from dfo_prompt.report.content import report_of
from dfo_prompt.report.packed import PACKED, packed_bytes, read_packed
from dfo_prompt.report.tables import leaderboard
from dfo_prompt.report.terminal import outcome
from dfo_prompt.report.write import write_report
from dfo_prompt.suite.comparable import fingerprints_of
from dfo_prompt.suite.folder import BESIDE, study_path
from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.suite.run import run_suite

SUITE = """\
name = "packed"
seeds = [1, 2]
threads = 1
optimizers = ["cma", "random"]
[study]
dim = 3
budget = 30
popsize = 6
sigma = 0.5
[cross]
objective = ["sphere", "ellipsoid"]
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A file of packed studies, and the folder of the suite that they are of."""
    folder = finished_suite(tmp_path_factory.mktemp("packed"), SUITE)
    write_report(folder)
    return folder / "report"


@pytest.fixture
def run(program, tmp_path, packed):
    """Run a suite file, changed, beside the packed studies."""

    def call(*arguments, change=("", "")):
        (tmp_path / "suite.toml").write_text(SUITE.replace(*change))
        return program("suite", "run", "suite.toml", "--beside", str(packed), "--out", "out", *arguments)

    return call


@pytest.mark.slow
def test_only_what_is_added_runs_and_the_report_is_that_of_all(run, packed, tmp_path):
    status, _, said = run("--add", "zo:es")
    assert (status, "packed: 4 studies, 120 queries" in said) == (0, True)
    studies = dp.read_suite(tmp_path / "out")
    assert len(studies) == 12
    assert set(studies.loc[~studies["packed"], "optimizer"]) == {"zo:es"}
    ran = {path.parent.parent.name for path in (tmp_path / "out" / "studies").glob("**/journal.jsonl")}
    assert ran == {"zo-es"}
    (tmp_path / "suite.toml").write_text(SUITE.replace('"random"', '"random", "zo:es"'))
    run_suite(read_suite_file(tmp_path / "suite.toml"), tmp_path / "whole")
    whole, placed = analyse(tmp_path / "whole"), analyse(tmp_path / "out")
    timed = ["optimizer_seconds", "objective_seconds", "packed"]
    pd.testing.assert_frame_equal(whole.leaderboard.drop(columns=timed), placed.leaderboard.drop(columns=timed))
    pd.testing.assert_frame_equal(whole.pairs, placed.pairs)


@pytest.mark.slow
def test_page_terminal_markdown_and_json_say_what_did_not_run_here(run, tmp_path):
    said = "Run here: zo:es. Read from the packed studies of 'packed': 8 studies of cma and random."
    out = " ".join(run("--add", "zo:es")[1].split())
    assert said in out
    report = write_report(tmp_path / "out").parent
    for name in ("index.html", "report.md"):
        assert said in (report / name).read_text().replace("&#39;", "'"), name
    data = json.loads((report / "report.json").read_text())
    assert data["beside"] == said
    assert {row["optimizer"]: row["packed"] for row in data["leaderboard"]} == {"cma": True, "random": True, "zo:es": False}
    head, *rows = (report / "report.md").read_text().partition("## Leaderboard")[2].split("\n\n")[2].splitlines()
    column = [cell.strip() for cell in head.split("|")].index("studies")
    cells = [[cell.strip() for cell in row.split("|")] for row in rows[1:]]
    assert {row[1]: row[column] for row in cells} == {"cma": "packed", "random": "packed", "zo:es": "here"}


@pytest.mark.slow
def test_what_was_placed_stands_in_the_terminals_first_lines_whatever_its_rank(run, tmp_path, monkeypatch):
    run("--add", "zo:es")
    monkeypatch.setattr("dfo_prompt.report.terminal.LINES", 0)
    first = outcome(tmp_path / "out", width=80).splitlines()[:3]
    assert sorted(line.split()[0] for line in first) == ["optimizer", "random", "zo:es"]


def test_packed_studies_are_given_again_to_continue(run, program, tmp_path):
    run("--add", "zo:es")
    status, _, said = program("suite", "run", "suite.toml", "--out", "out", "--set", "budget=60")
    assert status == 2
    assert said.endswith("out has packed studies beside it; give --beside again, or choose another --out\n")


def test_an_entry_that_ran_here_in_part_says_so(run, program, packed, tmp_path):
    data = json.loads(gzip.decompress((packed / PACKED).read_bytes()))
    for study in data["studies"]:
        if [study["plan"][key] for key in ("problem", "optimizer", "seed")] == ["sphere", "cma", 1]:
            study["evidence"]["figures"]["finished"] = False
    part = tmp_path / PACKED
    part.write_bytes(gzip.compress(json.dumps(data).encode()))
    (tmp_path / "suite.toml").write_text(SUITE)
    said = program("suite", "run", "suite.toml", "--beside", str(part), "--out", "out")[1]
    assert "Run here: cma. Read from the packed studies of 'packed': 7 studies of random and cma." in " ".join(said.split())
    assert list(leaderboard(analyse(tmp_path / "out")).table["studies"]) == ["both", "packed"]


@pytest.mark.parametrize(
    ("change", "arguments", "said"),
    [
        (("budget = 30", "budget = 36"), ("--add", "zo:es"), "of sphere/cma/1 budget is 36, and 30 in "),
        (("sigma = 0.5", "sigma = 0.7"), ("--add", "zo:es"), "of sphere/cma/1 sigma is 0.7, and 0.5 in "),
        (("[1, 2]", "[1, 3]"), ("--add", "zo:es"), "its seeds are [1, 3], and [1, 2] in "),
        (("ellipsoid", "rastrigin"), ("--add", "zo:es"), 'its problems are ["rastrigin", "sphere"], and '),
        (("threads = 1", "threads = 2"), ("--add", "zo:es"), "its threads are [2], and [1] in "),
        (('"cma", "random"', '{ name = "mine", optimizer = "cma", dim = 4 }'), (), "of sphere/mine/1 dim is 4, and 3 in "),
        (
            ('"cma", "random"]\n[study]\n', '"zo:es"]\n[study]\nstop = { patience = 6 }\n'),
            (),
            'of sphere/zo-es/1 stop is {"patience": 6, "min_delta": 0.0, "on": "train"}, and null in ',
        ),
        (("", ""), (), "none is left to run; name one with --add"),
    ],
)
def test_what_is_not_comparable_is_refused_before_anything_runs(run, tmp_path, change, arguments, said):
    status, _, err = run(*arguments, change=change)
    assert (status, err.count("\n")) == (2, 1)
    assert said in err
    assert ("give the entry another name" in err) == ("sigma" in said)  # the other settings would differ all the same
    assert not (tmp_path / "out").exists()


def test_a_suite_folder_in_place_of_its_report_is_refused(program, packed, tmp_path):
    (tmp_path / "suite.toml").write_text(SUITE)
    status, _, err = program("suite", "run", "suite.toml", "--beside", str(packed.parent), "--add", "zo:es")
    assert (status, err.count("\n")) == (2, 1)
    assert f"write its report first (dfo-prompt suite report {packed.parent}), and give {packed}" in err


def test_packed_studies_without_a_result_run_again(packed, tmp_path):
    (tmp_path / "suite.toml").write_text(SUITE)
    first, *others = read_packed(packed).studies
    figures = {**first.evidence.figures, "finished": False}
    broken = replace(first, evidence=replace(first.evidence, figures=figures))
    whole = replace(read_packed(packed), studies=(broken, *others))
    left = only_new(read_suite_file(tmp_path / "suite.toml"), whole, file=tmp_path, source=packed)
    assert [plan.id for plan in left.plans] == [first.plan.id]


def test_settings_on_which_packed_studies_differ_are_compared_too(packed, tmp_path):
    file = tmp_path / "suite.toml"
    file.write_text(SUITE.replace('"cma", "random"', '"zo:es"').replace("budget = 30", "budget = 36"))
    studies = read_packed(packed)

    def as_method(study):  # its budget is no budget of queries
        plan = replace(study.plan, queries=0, config=replace(study.plan.config, budget=8000))
        return replace(study, plan=plan) if plan.optimizer == "random" else study

    mixed = replace(studies, studies=tuple(map(as_method, studies.studies)))
    with pytest.raises(InputError, match="'cma' has 30 queries on 'sphere', and 'zo:es' 36"):
        only_new(read_suite_file(file), mixed, file=file, source=packed)


def test_the_folder_of_a_file_is_no_difference(packed, tmp_path):
    file = tmp_path / "suite.toml"
    file.write_text(SUITE.replace('"cma", "random"', '"zo:es"'))

    def with_data(plan, folder):
        options = {"table": tmp_path / folder / "table.csv"}
        problem = replace(plan.config.problem, data=tmp_path / folder / "rows.csv")
        return replace(plan, config=replace(plan.config, problem=problem, objective_options=options))

    studies, suite = read_packed(packed), read_suite_file(file)
    theirs = tuple(replace(study, plan=with_data(study.plan, "theirs")) for study in studies.studies)
    ours = replace(suite, plans=tuple(with_data(plan, "ours") for plan in suite.plans))
    left = only_new(ours, replace(studies, studies=theirs), file=file, source=packed)
    assert left.plans == ours.plans


def test_the_connection_to_a_service_is_no_difference(packed, tmp_path):
    file = tmp_path / "suite.toml"
    file.write_text(SUITE.replace('"cma", "random"', '"random", "zo:es"'))

    def remote(plan, options):
        return replace(plan, config=replace(plan.config, objective="remote", objective_options={"run": "", **options}))

    def left(**options):
        plans = tuple(remote(plan, {"url": "http://127.0.0.1:2", "timeout": 9.0, **options}) for plan in suite.plans)
        return only_new(replace(suite, plans=plans), replace(whole, studies=theirs), file=file, source=packed).plans

    whole, suite = read_packed(packed), read_suite_file(file)
    theirs = tuple(replace(study, plan=remote(study.plan, {"url": "http://127.0.0.1:1"})) for study in whole.studies)
    assert {plan.optimizer for plan in left()} == {"zo:es"}
    with pytest.raises(InputError, match=r'objective_options.run is "again", and "" in '):
        left(run="again")


@pytest.mark.slow
def test_an_entry_of_the_file_with_settings_of_its_own_can_be_placed(run, tmp_path):
    status, _, _ = run(change=('"random"', '"random", { name = "bold", optimizer = "cma", sigma = 2.0, popsize = 10 }'))
    assert status == 0
    assert "bold" in analyse(tmp_path / "out").complete


def test_studies_on_other_data_end_the_suite(run, packed, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "dfo_prompt.suite.comparable.fingerprints_of", lambda manifest: {**fingerprints_of(manifest), "objective": "another"}
    )
    status, _, err = run("--add", "zo:es")
    assert status == 2
    assert "the objective of sphere/zo-es/1 is not that of sphere/cma/1 of the packed suite 'packed': " in err


@pytest.mark.slow
def test_a_folder_keeps_the_studies_that_stand_beside_it(run, packed, tmp_path):
    run("--add", "zo:es")
    assert (tmp_path / "out" / BESIDE).read_bytes() == (packed / PACKED).read_bytes()
    status, _, said = run("--add", "zo:es", "--add", "zo:ars")
    assert (status, "(4 studies are finished)" in said) == (0, True)
    (tmp_path / "out" / BESIDE).write_bytes(b"other")
    assert "has other packed studies beside it; choose another --out" in run("--add", "zo:es")[2]


def test_packed_studies_are_the_same_bytes_and_name_no_folder(packed):
    suite = analyse(packed.parent).findings
    data = packed_bytes(suite.suite, suite.evidence)
    assert data == (packed / PACKED).read_bytes()
    assert str(packed.parent.parent).encode() not in gzip.decompress(data)
    again = read_packed(packed)
    assert again.evidence == suite.evidence
    assert again.plans == suite.suite.plans


@pytest.mark.slow
def test_a_suite_that_was_placed_can_be_packed_again(run, packed, tmp_path):
    run("--add", "zo:es")
    write_report(tmp_path / "out")
    assert {plan.optimizer for plan in read_packed(tmp_path / "out" / "report").plans} == {"cma", "random", "zo:es"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda study: study["evidence"]["improved"].append(31), "its curve is none"),
        (lambda study: study["evidence"]["losses"].reverse(), "its curve is none"),
        (lambda study: study["evidence"]["figures"].update(queries=10**9), "its curve is longer than its budget"),
        (lambda study: study["evidence"]["figures"].update(best_loss="low"), "its best loss cannot be 'low'"),
        (lambda study: study["evidence"]["figures"].pop("queries"), "it does not say how far it came"),
        (lambda study: study["plan"].update(seed=-1.5), "seed: "),
    ],
)
def test_packed_studies_that_are_damaged_are_one_line(packed, tmp_path, change, said):
    data = json.loads(gzip.decompress((packed / PACKED).read_bytes()))
    change(data["studies"][0])
    (tmp_path / "p.gz").write_bytes(gzip.compress(json.dumps(data).encode()))
    with pytest.raises(InputError, match=said) as raised:
        read_packed(tmp_path / "p.gz")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        *(gzip.compress(text, mtime=0) for text in (b"[1]", b'{"format": 2}')),
        gzip.compress(b"{}", mtime=0)[:-4],
    ],
)
def test_a_file_that_holds_no_packed_studies_is_one_line(tmp_path, data):
    (tmp_path / "p.gz").write_bytes(data)
    with pytest.raises(InputError, match="p.gz"):
        read_packed(tmp_path / "p.gz")


def test_a_study_that_ran_here_wins_over_a_packed_one(packed, tmp_path):
    shutil.copytree(packed.parent, tmp_path / "out")
    (tmp_path / "out" / BESIDE).write_bytes((packed / PACKED).read_bytes())
    assert not dp.read_suite(tmp_path / "out")["packed"].any()
    assert report_of(tmp_path / "out").beside == ""
    assert study_path(tmp_path / "out", "sphere/cma/1").is_dir()
