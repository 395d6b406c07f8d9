import json
import re
import shutil
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from suites import finished_suite

from dfo_prompt.commands import quickstart
from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.report.findings import read_findings
from dfo_prompt.run.built import objective_of
from dfo_prompt.suite.folder import is_finished, read_errors, read_suite_folder, study_path, suite_folder
from dfo_prompt.suite.here import run_here
from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.suite.run import probe_suite, run_suite, sorted_plans
from dfo_prompt.suite.status import State, read_status

SUITE = """\
name = "little"
seeds = [1, 2]
threads = 1
optimizers = ["cma", "random"]
[study]
objective = "sphere"
dim = 5
budget = 33
popsize = 4
"""

BROKEN = """
import os, time
import dfo_prompt as dp
from dfo_prompt.optimizers.random_search import RandomSearch

class Broken(RandomSearch):
    def __init__(self, *, how, **study):
        super().__init__(**study)
        self.how = how

    def ask(self):
        if self.how == "raises":
            raise RuntimeError("no luck")
        if self.how == "hangs":
            time.sleep(600)
        if self.how == "dies":
            os._exit(3)
        return super().ask()[:, :2]

@dp.hookimpl
def dfo_prompt_optimizers():
    return [dp.OptimizerSpec(name="broken", target="broken:Broken", summary="Broken.")]
"""


@pytest.fixture
def suite(tmp_path):
    def read(text=SUITE):
        (tmp_path / "suite.toml").write_text(text)
        return read_suite_file(tmp_path / "suite.toml")

    return read


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_suite(tmp_path_factory.mktemp("finished"), SUITE)


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "out")
    return tmp_path / "out"


def journals(folder, suite):
    return {plan.id: (study_path(folder, plan.id) / "journal.jsonl").read_bytes() for plan in suite.plans}


@pytest.mark.slow
def test_every_study_runs_to_its_end_whatever_the_jobs(suite, tmp_path):
    little = suite()
    for jobs in (1, 3):
        assert run_suite(little, tmp_path / str(jobs), jobs=jobs) == {}
    one, three = (journals(tmp_path / str(jobs), little) for jobs in (1, 3))
    assert one == three
    assert all(len(lines.splitlines()) == 33 for lines in one.values())


@pytest.mark.slow
def test_what_is_finished_is_not_run_again_and_what_is_added_is(suite, copy):
    folder, before = copy, journals(copy, suite())
    times = {plan.id: (study_path(folder, plan.id) / "result.json").stat().st_mtime_ns for plan in suite().plans}
    more = suite(SUITE.replace("[1, 2]", "[1, 2, 3]").replace('"random"]', '"random", "cma:sep"]'))
    seen = []
    run_suite(more, folder, watch=lambda progress: seen.append((progress.done, progress.asked, progress.fresh)))
    assert seen[0] == (4, 4 * 33, 0)
    assert seen[-1] == (9, 9 * 33, 5 * 33)
    assert journals(folder, more).items() >= before.items()
    assert {study: (study_path(folder, study) / "result.json").stat().st_mtime_ns for study in times} == times


@pytest.mark.slow
def test_budgets_may_be_raised(suite, copy, tmp_path):
    raised = suite(SUITE.replace("budget = 33", "budget = 60"))
    before = journals(copy, raised)
    with suite_folder(copy, raised):
        pass  # a run that was killed before its first study
    assert [study.queries for study in read_status(copy).studies] == [33] * 4
    assert {study.state for study in read_status(copy).studies} == {State.STOPPED}
    assert not any(study.finished for study in read_findings(copy).evidence.values())
    assert run_suite(raised, copy) == {}
    whole = tmp_path / "whole"
    run_suite(raised, whole)
    assert journals(copy, raised) == journals(whole, raised)
    assert all(now.startswith(before[study]) for study, now in journals(copy, raised).items())
    assert {study.state for study in read_status(copy).studies} == {State.FINISHED}
    assert all(study.finished for study in read_findings(copy).evidence.values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("budget = 33", "budget = 20"), "budget is 33 there and 20 here"),
        (("popsize = 4", "popsize = 5"), "popsize is 4 there and 5 here"),
        (("threads = 1", "threads = 2"), "was run with threads 1, not 2"),
    ],
)
def test_what_would_make_old_results_wrong_is_refused(suite, copy, change, said):
    with pytest.raises(InputError, match=said):
        run_suite(suite(SUITE.replace(*change)), copy)


@pytest.mark.slow
def test_an_entry_that_was_left_out_for_a_while_is_still_known(suite, copy):
    run_suite(suite(SUITE.replace('"cma", ', "")), copy)
    with pytest.raises(InputError, match="sphere/cma/1 holds another study: sigma is 1.0 there and 0.5 here"):
        run_suite(suite(SUITE.replace('"cma", ', '{ name = "cma", sigma = 0.5 }, ')), copy)


def test_a_folder_of_something_else_is_refused(suite, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    with pytest.raises(InputError, match="not empty and not a suite folder"):
        run_suite(suite(), tmp_path / "out")


def test_two_runs_of_one_suite_do_not_meet(suite, tmp_path):
    with suite_folder(tmp_path / "out", suite()), pytest.raises(StudyError, match="another process is running the suite"):
        run_suite(suite(), tmp_path / "out")


@pytest.mark.slow
def test_broken_studies_are_named_and_passed_over(suite, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    ways = ("raises", "hangs", "dies", "shapes")
    tables = [f'{{ name = "{way}", optimizer = "broken", optimizer_options = {{ how = "{way}" }} }}' for way in ways]
    text = SUITE.replace("[1, 2]", "[1]").replace('"random"', ", ".join(['"random"', '"nevergrad:Nothing"', *tables]))
    text = text.replace("threads = 1", "threads = 1\nstall_seconds = 12.0") + 'plugin = "broken.py"\n'
    broken = suite(text)
    errors = run_suite(broken, tmp_path / "out", jobs=2)
    said = {study.split("/")[1]: error for study, error in errors.items()}
    assert "RuntimeError: no luck" in said["raises"]
    assert said["hangs"] == "nothing happened for 12 seconds; it was given up"
    assert said["dies"] == "its process ended with exit status 3"
    assert "asked for candidates of shape (4, 2)" in said["shapes"]
    assert "'Nothing'" in said["nevergrad-nothing"]
    assert set(said) == {*ways, "nevergrad-nothing"}
    assert is_finished(tmp_path / "out", broken.by_id["sphere/cma/1"])
    assert is_finished(tmp_path / "out", broken.by_id["sphere/random/1"])
    assert read_errors(tmp_path / "out") == errors


@pytest.mark.slow
def test_a_plugin_of_the_command_line_reaches_the_studies(program, tmp_path):
    (tmp_path / "mine.py").write_text(BROKEN.replace('"broken:Broken"', '"mine:Broken"').replace("[:, :2]", ""))
    entry = '{ name = "it", optimizer = "broken", optimizer_options = { how = "works" } }'
    (tmp_path / "suite.toml").write_text(SUITE.replace('"random"', entry))
    assert program("--plugin", "mine.py", "suite", "run", "suite.toml", "--out", "out")[0] == 0
    assert is_finished(tmp_path / "out", read_suite_folder(tmp_path / "out").by_id["sphere/it/2"])


@pytest.mark.slow
def test_a_mended_study_is_run_again(suite, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    text = SUITE.replace('"random"', '{ name = "it", optimizer = "broken", optimizer_options = { how = "raises" } }')
    bad = suite(text + 'plugin = "broken.py"\n')
    assert set(run_suite(bad, tmp_path / "out")) == {"sphere/it/1", "sphere/it/2"}
    (tmp_path / "broken.py").write_text(BROKEN.replace('"raises"', '"never"').replace("[:, :2]", ""))
    assert run_suite(bad, tmp_path / "out") == {}
    assert read_errors(tmp_path / "out") == {}


@pytest.mark.parametrize("run", [run_suite, partial(run_here, objectives=objective_of)])
def test_a_study_that_waits_in_the_next_run_is_not_shown_as_failed(suite, tmp_path, run):
    with suite_folder(tmp_path / "out", suite()) as errors:
        errors.note("sphere/cma/2", "down")
    assert State.FAILED in {study.state for study in read_status(tmp_path / "out").studies}

    def interrupt(state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(suite(), tmp_path / "out", watch=interrupt)
    assert {study.state for study in read_status(tmp_path / "out").studies} == {State.WAITING}


def test_a_probe_times_each_problem_and_charges_nobody(suite, tmp_path):
    found = probe_suite(suite(SUITE + '[cross]\n"objective_options.noise" = [0.0, 0.5]\n'), tmp_path / "out")
    assert len(found) == 8
    assert all(event.seconds > 0 for event in found.values())
    assert len({id(event) for event in found.values()}) == 2
    first = found["0.0/cma/1"].forecast.search
    assert {event.forecast.search.rows for event in found.values()} == {first.queries}
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_program_runs_says_and_reports(program, tmp_path):
    (tmp_path / "suite.toml").write_text(SUITE)
    status, _, said = program("suite", "run", "suite.toml", "--out", "out", "--dry-run")
    assert status == 0
    time = "(less than a second|about 0:00:0[1-9]) in the objective"
    assert re.search(f"4 studies, 132 queries, {time}, 136 rows for them", said)
    assert not (tmp_path / "out").exists()
    status, out, said = program("suite", "run", "suite.toml", "--out", "out", "--jobs", "2")
    assert said.startswith("little: 4 studies, 132 queries\n")  # and asked none to find out how long it takes
    assert (status, out.splitlines()[-2]) == (0, "suite  out/")
    assert "sphere/cma/1: done" in said
    assert "little: 4 studies; 4 finished\n132 of 132 queries (100 %)\n" in program("suite", "status", "out")[1]
    status, out, _ = program("suite", "report", "out")
    assert (status, out.splitlines()[-1]) == (0, "out/report/index.html")
    assert json.loads((tmp_path / "out/report/report.json").read_text())["leaderboard"][0]["optimizer"] == "cma"
    status, _, said = program("suite", "run", "suite.toml", "--out", "out", "--set", "sigma=3.0")
    assert status == 2
    assert "sigma is 1.0 there and 3.0 here" in said


def test_commands_to_copy_hold_for_a_folder_with_a_space_and_one_study_is_one(program, tmp_path):
    (tmp_path / "suite.toml").write_text(SUITE.replace("[1, 2]", "[1]").replace('"cma", ', ""))
    _, out, said = program("suite", "run", "suite.toml", "--out", "my suite")
    assert said.startswith("little: 1 study, 33 queries\n")
    assert out.endswith("\nreport dfo-prompt suite report 'my suite'\n")
    said = program("suite", "run", "suite.toml", "--out", "my suite")[2]
    assert said.startswith("little: 0 studies (1 study is finished)\n")
    study_path(tmp_path / "my suite", "sphere/random/1").joinpath("result.json").unlink()
    assert program("suite", "report", "my suite")[2].endswith("; see dfo-prompt suite status 'my suite'\n")
    assert "predict 'my folder/recipe' " in quickstart._next(Path("my folder/recipe"), seed=1)


PRICED = SUITE.replace("[study]", '[study]\nlimits = { rows = 20, dollars = "0.01" }\nprices = { output = "2.5" }')


@pytest.mark.slow
def test_limits_and_prices_hold_in_a_suite_and_stand_in_its_report(program, tmp_path):
    (tmp_path / "suite.toml").write_text(PRICED)
    status, _, said = program("suite", "run", "suite.toml", "--out", "out", "--dry-run")
    assert status == 0, said
    # Four studies of 20 rows at most, whose 33 queries would cost $0.0000825, and one evaluation of each answer.
    assert "84 rows, $0.00034 for them" in said
    assert program("suite", "run", "suite.toml", "--out", "out")[0] == 0
    shown = program("show", "out/studies/sphere/cma/1")[1]
    assert "20 of 33" in shown
    assert "ended by limits.rows" in shown
    assert "money                $0.00005" in shown
    status, _, said = program("suite", "report", "out")
    assert status == 0, said
    page = (tmp_path / "out/report/report.md").read_text()
    assert "limits.rows ended 4 of the studies" in page
    header = next(line for line in page.splitlines() if "dollars" in line and line.startswith("|"))
    assert "tokens a query" not in header  # none were used
    studies = pd.read_csv(tmp_path / "out/report/studies.csv")
    assert set(studies["stop_reason"]) == {"limits.rows"}
    assert set(studies["nanodollars"]) == {50_000}


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("limits = { rows = 9 }", "limits of 'cma' and 'few' differ on 'sphere'"),
        ("stop = { patience = 9 }", "rules of 'cma' and 'few' to stop differ on 'sphere'"),
    ],
)
def test_limits_and_rules_to_stop_on_one_problem_must_be_the_same(suite, own, said):
    text = SUITE.replace('"random"', f'{{ name = "few", optimizer = "random", {own} }}')
    with pytest.raises(InputError, match=said):
        suite(text)


def test_one_limit_in_dollars_needs_one_price(suite):
    text = PRICED.replace('"random"', '{ name = "few", optimizer = "random", prices = { output = "0.25" } }')
    with pytest.raises(InputError, match="prices of 'cma' and 'few' differ on 'sphere'"):
        suite(text)
    assert suite(text.replace(', dollars = "0.01"', "")).plans


def test_shared_limits_are_for_the_entries_that_search(suite):
    text = SUITE.replace("[study]\n", 'methods = [{ name = "m", method = "manual" }]\n[study]\nlimits = { rows = 40 }\n')
    assert {plan.optimizer: plan.queries for plan in suite(text).plans} == {"cma": 33, "random": 33, "m": 0}
    with pytest.raises(InputError, match=r"'m' on 'sphere': method 'manual' does not search, so \[stop\] would do nothing"):
        suite(text.replace('"manual"', '"manual", stop = { patience = 9 }'))
    with pytest.raises(InputError, match="'m' on 'sphere': method 'tuned-decoder' also queries outside its search"):
        suite(text.replace('"manual"', '"tuned-decoder"'))


@pytest.mark.slow
def test_no_time_is_left_once_every_study_ended_early(suite, tmp_path):
    seen = []
    early = suite(SUITE.replace("[study]\n", "[study]\nstop = { patience = 4 }\n", 1))
    assert run_suite(early, tmp_path / "out", watch=lambda state: seen.append((state.queries, state.asked))) == {}
    spent = sum(study.figures["queries"] for study in read_findings(tmp_path / "out").evidence.values())
    assert seen[0] == (4 * 33, 0)
    assert seen[-1] == (spent, spent)
    assert spent < 4 * 33
    state, finished, todo = sorted_plans(early, tmp_path / "out")
    assert (state.queries, state.asked, len(finished), todo) == (spent, spent, 4, [])


def test_studies_that_stop_early_are_counted_in_the_report_with_their_reason(program, tmp_path):
    stop = "stop = {{ {} }}\n"
    for name, rules, said in (
        ("patience", "patience = 1", "patience ended 4 of the studies"),
        (
            "clock",
            "time_limit = 1e-9",
            "time_limit ended 4 of the studies (by wall-clock time: another run may stop at a different query)",
        ),
    ):
        (tmp_path / "early.toml").write_text(SUITE.replace("[study]\n", f"[study]\n{stop.format(rules)}", 1))
        status, _, error = program("suite", "run", "early.toml", "--out", name)
        assert status == 0, error
        assert program("suite", "report", name)[0] == 0
        assert said in (tmp_path / name / "report/report.md").read_text()
        studies = pd.read_csv(tmp_path / name / "report/studies.csv")
        assert (studies["queries"] < studies["budget"]).all()  # charged what they spent


PAID = """
import dfo_prompt as dp

class Paid:
    dim = 5
    def estimate(self, count, split="train"):
        return dp.Usage(tokens=100 * count, requests=1)
    def evaluate(self, candidates):
        raise AssertionError("it was asked")

@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="paid", target="paid:build", summary="Paid.")]

def build(*, dim, seed):
    return Paid()
"""


def test_a_dry_run_asks_nothing_that_costs_something(program, tmp_path):
    (tmp_path / "paid.py").write_text(PAID)
    text = SUITE.replace('"sphere"', '"paid"').replace("[study]", '[study]\nprices = { input = "1", request = "0.001" }')
    (tmp_path / "suite.toml").write_text(text)
    status, _, said = program("--plugin", "paid.py", "suite", "run", "suite.toml", "--dry-run")
    assert status == 0, said
    # 33 queries in 9 batches of 4 at most, and one evaluation of the answer; four studies
    assert "little: 4 studies, 132 queries, about 13,600 tokens, 40 requests, $0.0536 for them" in said
    flags = "--objective paid --dim 5 --budget 33 --popsize 4 --set prices.input=1 --limit tokens=1000 --limit dollars=2.50"
    status, out, said = program("--plugin", "paid.py", "run", *flags.split(), "--dry-run")
    assert status == 0, said
    assert out.splitlines() == [
        "search          at most 33 queries, 1,000 tokens, 9 requests, $0.0033",
        "second account  at most 1 evaluation, 100 tokens, 1 requests, $0.0001",
    ]
    assert not (tmp_path / "runs").exists()


def test_the_price_of_a_suite_does_not_depend_on_the_order_of_its_entries(program, tmp_path):
    long = PAID.replace("*, dim, seed):", "*, dim, seed, length: int = 1):").replace("Paid()", "Paid(length)")
    long = long.replace("    dim = 5", "    def __init__(self, length):\n        self.dim, self.length = 5, length")
    (tmp_path / "paid.py").write_text(long.replace("100 * count", "100 * count * self.length"))
    entries = ['"random"', '{ name = "long", optimizer = "random", objective_options = { length = 9 } }', '"cma:sep"']
    told = set()
    for order in (entries, entries[::-1]):
        text = SUITE.replace('"cma", "random"', ", ".join(order)).replace('"sphere"', '"paid"')
        (tmp_path / "suite.toml").write_text('measure = "test_metric"\n' + text)
        status, _, said = program("--plugin", "paid.py", "suite", "run", "suite.toml", "--dry-run")
        assert status == 0, said
        told.add(said)
    assert told == {"little: 6 studies, 198 queries, about 74,800 tokens, 60 requests for them\n"}


def test_a_dry_run_asks_no_objective_that_does_not_say_what_it_costs(program, tmp_path):
    lines = PAID.splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if "def estimate" in line)
    (tmp_path / "paid.py").write_text("".join([*lines[:at], *lines[at + 2 :]]))
    (tmp_path / "suite.toml").write_text(SUITE.replace('"sphere"', '"paid"'))
    status, _, said = program("--plugin", "paid.py", "suite", "run", "suite.toml", "--dry-run")
    assert (status, said.strip()) == (0, "little: 4 studies, 132 queries, whose time and cost are unknown")


def test_methods_without_a_search_are_given_no_time(program, tmp_path, tiny_folder, tiny_task):
    methods = f'methods = ["manual"]\n[study.problem]\nmodel = "{tiny_folder}"\ntask = "{tiny_task}"\nshots = 4\n'
    (tmp_path / "suite.toml").write_text(f'name = "asked"\nseeds = [1, 2]\n{methods}')
    unknown = "; the cost of 2 runs of methods without a search is unknown"
    assert program("suite", "run", "suite.toml", "--dry-run") == (0, "", f"asked: 2 studies{unknown}\n")
