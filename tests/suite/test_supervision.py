"""A suite survives crashes of its studies' processes, and reports their causes."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from dfo_prompt.errors import StudyError
from dfo_prompt.suite import pulse
from dfo_prompt.suite.folder import is_finished, read_errors, read_suite_folder
from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.suite.run import probe_suite, run_suite

pytestmark = pytest.mark.slow

PLUGIN = """
import ctypes, os, pathlib, signal, sys, time
import dfo_prompt as dp

class Rough:
    def __init__(self, how, folder):
        self.dim, self.how, self.folder = 3, how, pathlib.Path(folder)
        if how == "exits at the start":
            sys.exit(0)
        if self.how == "has no text":
            raise dp.InputError("caf\\udce9 " * 3)

    costs_again = ()

    def estimate(self, count):
        return dp.Usage()

    def evaluate(self, candidates):
        if self.how == "exits":
            sys.exit(0)
        if self.how == "ends the process":
            os._exit(0)
        if self.how == "is killed":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.how == "leaves a process":
            if child := os.fork():
                (self.folder / "pid").write_text(str(child))
                os._exit(3)
            time.sleep(600)
        if self.how == "interrupts":
            raise KeyboardInterrupt
        if self.how == "talks":
            raise dp.InputError("x" * 5_000_000 + " the end")
        if self.how == "hangs":
            time.sleep(600)
        if self.how == "holds the interpreter":
            (self.folder / "pid").write_text(str(os.getpid()))
            ctypes.PyDLL(None).sleep(600)
        if self.how == "is slow":
            time.sleep(0.05)
        if self.how == "computes":
            until = time.process_time() + 3.0
            while time.process_time() < until:
                pass
        return dp.Evaluation(losses=(candidates**2).sum(axis=1))

    def validate(self, candidates, split):
        raise RuntimeError("not asked")

def build(*, dim, seed, how, folder):
    return Rough(how, folder)

@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="rough", target="rough:build", summary="Rough.")]
"""
SUITE = """
name = "rough"
seeds = [1]
threads = 1
optimizers = ["random"]
{more}
[study]
plugin = "rough.py"
objective = "rough"
dim = 3
budget = {budget}
popsize = 3
objective_options = {{ folder = "{folder}" }}
[cross]
"objective_options.how" = {ways}
"""


@pytest.fixture
def rough(tmp_path):
    """Writes a suite whose objectives misbehave in these ways; returns it."""
    (tmp_path / "rough.py").write_text(PLUGIN)

    def suite(*ways, more="", budget=9):
        text = SUITE.format(ways=list(ways), more=more, budget=budget, folder=tmp_path)
        (tmp_path / "suite.toml").write_text(text)
        return read_suite_file(tmp_path / "suite.toml")

    return suite


def lives(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_every_way_to_end_is_named_and_the_rest_goes_on(rough, tmp_path):
    ways = ("exits", "exits at the start", "ends the process", "is killed", "interrupts", "has no text", "talks", "is good")
    errors = run_suite(rough(*ways), tmp_path / "out")
    said = {study.split("/")[0]: error for study, error in errors.items()}
    assert "SystemExit: 0" in said["exits"]
    assert "SystemExit: 0" in said["exits-at-the-start"]
    assert said["ends-the-process"] == "its process ended with exit status 0"
    assert said["is-killed"] == "its process was ended by SIGSEGV"
    assert said["interrupts"].startswith("KeyboardInterrupt")
    assert r"caf\udce9" in said["has-no-text"]
    assert len(said["talks"]) < 1000
    assert set(said) == {way.replace(" ", "-") for way in ways[:-1]}
    assert is_finished(tmp_path / "out", read_suite_folder(tmp_path / "out").by_id["is-good/random/1"])
    assert read_errors(tmp_path / "out") == errors


def test_a_process_that_the_dead_one_left_behind_hides_nothing(rough, tmp_path):
    errors = run_suite(rough("leaves a process", "is good"), tmp_path / "out")
    left = int((tmp_path / "pid").read_text())
    assert lives(left)  # it has the pipe still
    os.kill(left, signal.SIGKILL)
    assert errors == {"leaves-a-process/random/1": "its process ended with exit status 3"}


@pytest.mark.parametrize("way", ["hangs", "holds the interpreter"])
def test_a_probe_has_a_limit(rough, tmp_path, way):
    with pytest.raises(StudyError, match=f"problem '{way}': nothing happened for 4 seconds"):
        probe_suite(rough(way, more="stall_seconds = 4.0"), tmp_path / "out")


def test_a_query_that_computes_for_long_is_no_reason_to_give_up(rough, tmp_path, monkeypatch):
    monkeypatch.setattr(pulse, "LOOK_SECONDS", 0.1)
    patient = rough("computes", more="stall_seconds = 2.0", budget=1)
    assert probe_suite(patient, tmp_path / "out")["computes/random/1"].seconds > 0
    assert run_suite(patient, tmp_path / "out") == {}


def test_a_study_that_takes_too_long_is_stopped_and_goes_on_next_time(rough, tmp_path):
    study = "is-slow/random/1"
    limited = rough("is slow", more="study_seconds = 3.0", budget=600)
    assert run_suite(limited, tmp_path / "out") == {
        study: "it took longer than 3 seconds; the same command goes on from there"
    }
    assert not is_finished(tmp_path / "out", limited.by_id[study])
    assert run_suite(rough("is slow", budget=600), tmp_path / "out") == {}
    assert (tmp_path / "out/studies" / study / "journal.jsonl").read_bytes().count(b"\n") == 600


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread of the process watches, which needs the interpreter")
def test_an_objective_that_holds_the_interpreter_ends_with_its_suite(rough, tmp_path):
    rough("holds the interpreter")
    command = [sys.executable, "-c", "from dfo_prompt.cli import main; main()", "suite", "run", "suite.toml", "--out", "out"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    worker = int((tmp_path / "pid").read_text())
    while lives(worker):  # the limit of the test ends this
        time.sleep(0.02)
