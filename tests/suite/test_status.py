"""The status of a suite, while another process runs it, after a kill, and with ten thousand studies."""

import io
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from filelock import FileLock
from rich.console import Console
from suites import finished_suite

from dfo_prompt._util.json_files import write_json
from dfo_prompt.console.status import print_status
from dfo_prompt.errors import UnknownNameError
from dfo_prompt.study.saved import read_result
from dfo_prompt.suite.folder import ERRORS, PLAN, read_suite_folder, study_path
from dfo_prompt.suite.plan import Suite
from dfo_prompt.suite.status import State, read_status

SUITE = """\
name = "little"
seeds = [1, 2, 3]
threads = 1
optimizers = ["cma", "random"]
[study]
objective = "sphere"
dim = 5
budget = 40
popsize = 4
"""
PATIENT = """
import time
import dfo_prompt as dp
from dfo_prompt.optimizers.random_search import RandomSearch

class Patient(RandomSearch):
    asked = 0

    def ask(self):
        self.asked += 1
        if self.asked == 6:
            time.sleep(600)
        return super().ask()

@dp.hookimpl
def dfo_prompt_optimizers():
    return [dp.OptimizerSpec(name="patient", target="patient:Patient", summary="Waits.")]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_suite(tmp_path_factory.mktemp("finished"), SUITE)


@pytest.fixture
def folder(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "out")
    return tmp_path / "out"


def unfinish(folder, study, *, lines):
    """Take a study back to where it had asked so many queries."""
    place = study_path(folder, study)
    (place / "result.json").unlink()
    kept = (place / "journal.jsonl").read_bytes().splitlines(keepends=True)[:lines]
    (place / "journal.jsonl").write_bytes(b"".join(kept))


def test_what_runs_what_stopped_what_failed_and_what_waits_are_told_apart(folder, program):
    for study, lines in (("sphere/cma/2", 20), ("sphere/cma/3", 12), ("sphere/random/1", 0), ("sphere/random/2", 8)):
        unfinish(folder, study, lines=lines)
    write_json(folder / ERRORS, {"sphere/random/2": "RuntimeError: no luck"})
    with FileLock(folder / ".lock"), FileLock(study_path(folder, "sphere/cma/2") / ".lock"):
        found = read_status(folder)
        said = program("suite", "status", str(folder))[1]
    assert found.active
    states = {one.plan.id.removeprefix("sphere/"): (one.state, one.queries) for one in found.studies}
    assert states == {
        "cma/1": (State.FINISHED, 40),
        "random/1": (State.WAITING, 0),
        "cma/2": (State.RUNNING, 20),
        "random/2": (State.FAILED, 8),
        "cma/3": (State.STOPPED, 12),
        "random/3": (State.FINISHED, 40),
    }
    lines = said.splitlines()
    assert lines[0] == "little: 6 studies; 2 finished, 1 running, 1 stopped, 1 failed, 1 waiting"
    assert lines[1].startswith("120 of 240 queries (50 %), ")
    assert re.search(" a second, (less than a second|about 0:00:[0-9]+) left", lines[1])
    assert any(line.startswith("sphere/cma/2: 20 of 40 (50 %), ") and line.endswith(" left") for line in lines)
    assert "sphere/random/2: RuntimeError: no luck" in lines
    rows = {line.split("  ")[0]: line.split()[3:] for line in lines if line.startswith("sphere / ")}
    assert rows["sphere / cma"][:4] == ["1", "1", "1", "60"]


def test_the_time_left_rests_on_what_was_measured_of_the_same_problem_and_optimizer(folder):
    unfinish(folder, "sphere/random/1", lines=0)
    found = read_status(folder)
    other = next(study for study in found.studies if study.plan.id == "sphere/random/2")
    timed = [replace(study, seconds=4.0 if "cma" in study.plan.id else 1.0) for study in found.studies if study.queries]
    waiting = next(study for study in found.studies if study.state is State.WAITING)
    assert replace(found, studies=(*timed, waiting)).seconds_left() == pytest.approx(40 * 1.0 / 40)
    assert replace(found, studies=(waiting,)).seconds_left() is None
    running = tuple(replace(other, state=State.RUNNING, queries=20, seconds=2.0) for _ in range(2))
    assert replace(found, studies=running).seconds_left() == pytest.approx(2.0)  # both at once


def test_a_study_that_ended_early_counts_the_queries_that_it_asked(tmp_path, program):
    folder = finished_suite(tmp_path, SUITE.replace("[study]\n", "[study]\nstop = { patience = 4 }\n"))
    found = read_status(folder)
    spent = [read_result(study_path(folder, study.plan.id))["spent"] for study in found.studies]
    assert [study.queries for study in found.studies] == [account["queries"] for account in spent]
    assert [study.seconds for study in found.studies] == pytest.approx(
        [account["optimizer_seconds"] + account["objective_seconds"] for account in spent]
    )
    asked = sum(study.queries for study in found.studies)
    assert (asked < 6 * 40, found.seconds_left()) == (True, 0)
    assert f"{asked:,} of {asked:,} queries (100 %)" in program("suite", "status", str(folder))[1]


def test_an_unfinished_method_without_planned_queries_leaves_the_time_left_unknown(folder):
    unfinish(folder, "sphere/random/1", lines=0)
    found = read_status(folder)
    waiting = next(study for study in found.studies if study.state is State.WAITING)
    method = replace(waiting, plan=replace(waiting.plan, queries=0))
    assert found.seconds_left() is not None
    assert replace(found, studies=(*found.studies, method)).seconds_left() is None
    done = replace(method, state=State.FINISHED)
    assert replace(found, studies=(*found.studies, done)).seconds_left() == found.seconds_left()
    failed = replace(method, state=State.FAILED)
    assert replace(found, active=True, studies=(*found.studies, failed)).seconds_left() == found.seconds_left()


def test_waiting_studies_of_a_name_are_told_beside_the_running_ones_of_others(folder, capsys):
    unfinish(folder, "sphere/random/1", lines=0)
    unfinish(folder, "sphere/cma/1", lines=8)
    with FileLock(folder / ".lock"), FileLock(study_path(folder, "sphere/cma/1") / ".lock"):
        found = read_status(folder)
    print_status(found.only("random"), folder)
    assert "none of these studies runs now; others of the suite that run: 1" in capsys.readouterr().out.splitlines()
    print_status(found.only("cma"), folder)
    assert "none of" not in capsys.readouterr().out
    ready = tuple(replace(study, state=State.STOPPED) for study in found.studies)
    print_status(replace(found, studies=ready), folder)
    assert "a process runs this suite; none of its studies runs at this moment" in capsys.readouterr().out


LONG = f"StudyError: the model {'m' * 40!r} cannot be loaded; log in, or pass a local folder, and run the same command again"


def test_a_reason_is_whole_in_a_pipe_and_wrapped_in_a_terminal(folder, capsys, monkeypatch):
    found = read_status(folder)
    first, *others = found.studies
    name = "x" * 90
    failed = replace(first, state=State.FAILED, error=LONG, plan=replace(first.plan, optimizer=name))
    broken = replace(found, studies=(failed, *others))
    for every in (False, True):
        print_status(broken, folder, every=every)
        lines = capsys.readouterr().out.splitlines()
        assert f"sphere/{name}/1: {LONG}" in lines
        assert not any("\N{HORIZONTAL ELLIPSIS}" in line for line in lines)
        assert all(line == line.rstrip() for line in lines)
    screen = io.StringIO()
    monkeypatch.setattr(
        "dfo_prompt.console.status.terminal", lambda: Console(file=screen, force_terminal=True, width=60, color_system=None)
    )
    print_status(broken, folder)
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines[lines.index("failed") :])) <= 60
    assert LONG.replace(" ", "") in "".join(lines).replace(" ", "")


@pytest.mark.parametrize("every", [False, True])
def test_rows_with_long_names_stay_apart_on_eighty_columns(folder, monkeypatch, every):
    found, screen = read_status(folder), io.StringIO()
    problem = "smollm2-135m, bbc-headlines, 16 shots, a normal projection, d = 500"
    studies = [replace(study, plan=replace(study.plan, problem=problem)) for study in found.studies]
    studies[0] = replace(studies[0], state=State.WAITING)
    console = Console(file=screen, force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr("dfo_prompt.console.status.terminal", lambda: console)
    print_status(replace(found, studies=tuple(studies)), folder, every=every)
    rows = [line for line in screen.getvalue().splitlines() if line.startswith("smoll")]
    assert max(map(len, rows)) <= 80
    names = [re.split("  +", row)[0] for row in rows]
    ends = [f"/{study.plan.optimizer}/{study.plan.seed}" for study in studies] if every else [" / cma", " / random"]
    assert [name.endswith(end) for name, end in zip(names, ends, strict=True)] == [True] * len(ends)


@pytest.mark.slow
def test_a_name_shows_the_studies_of_it_alone(folder, program):
    assert len(read_status(folder).only("cma").studies) == 3
    out = program("suite", "status", str(folder), "sphere/random")[1]
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("sphere/")] == [
        [f"sphere/random/{seed}", "finished"] for seed in (1, 2, 3)
    ]
    with pytest.raises(UnknownNameError, match="unknown optimizer, problem or study 'cmb'; did you mean 'cma'"):
        read_status(folder).only("cmb")


@pytest.mark.slow
def test_ten_thousand_studies_stay_a_screen(tmp_path, folder, program):
    suite = read_suite_folder(folder)
    plans = [replace(suite.plans[0], optimizer=f"o{n % 100}", problem=f"p{n // 1000}", seed=n) for n in range(10_000)]
    (tmp_path / "many").mkdir()
    write_json(tmp_path / "many" / PLAN, Suite(settings=suite.settings, plans=tuple(plans)).as_dict())
    errors = {plan.id: f"RuntimeError: {n % 30}" for n, plan in enumerate(plans[:5000])}
    write_json(tmp_path / "many" / ERRORS, errors)
    lines = program("suite", "status", str(tmp_path / "many"))[1].splitlines()
    assert lines[0] == "little: 10,000 studies; 5,000 failed, 5,000 waiting"
    assert len(lines) < 24
    assert sum(line.startswith("p") for line in lines) == 10 + 5  # problems, and studies that failed
    assert lines[-1] == "and 25 more; --all shows them"
    assert any(line.startswith("p0/o0/0 and 166 more: RuntimeError: 0") for line in lines)


@pytest.mark.slow
def test_a_suite_is_seen_while_another_process_runs_it_and_after_that_was_killed(tmp_path):
    (tmp_path / "patient.py").write_text(PATIENT)
    (tmp_path / "suite.toml").write_text(SUITE.replace('"cma", ', '"patient", '))
    command = [sys.executable, "-m", "dfo_prompt", "--plugin", "patient.py", "suite", "run", "suite.toml", "--out", "out"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = study_path(tmp_path / "out", "sphere/patient/1") / "journal.jsonl"
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") == 20):
        time.sleep(0.02)
    found = read_status(tmp_path / "out")
    process.kill()
    process.wait()
    assert found.active
    first = next(study for study in found.studies if study.plan.optimizer == "patient")
    assert (first.state, first.queries) == (State.RUNNING, 20)
    while (after := read_status(tmp_path / "out")).counts[State.RUNNING]:  # the worker ends with its parent
        time.sleep(0.02)
    assert not after.active
    assert after.counts[State.STOPPED] == 1
