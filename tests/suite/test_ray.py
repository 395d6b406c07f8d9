"""Suites on a Ray cluster of three nodes give the results of this machine, whatever happens to the cluster."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from dfo_prompt.suite.folder import study_path
from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.suite.run import run_suite

pytest.importorskip("ray", exc_type=ImportError)
SMOKE = Path(__file__).parents[2] / "benchmarks" / "suites" / "smoke.toml"
FILES = ("journal.jsonl", "candidates.f64", "candidates.npz", "manifest.json")
NAMESPACE = ("unshare", "--map-root-user", "--net")
HELD = """
import pathlib, time
import dfo_prompt as dp

FOLDER = pathlib.Path(__file__).parent

class Held:
    dim, asked = 3, 0

    def evaluate(self, candidates):
        self.asked += 1
        while self.asked == 3 and (FOLDER / "hold").exists():
            time.sleep(0.02)
        return dp.Evaluation(losses=(candidates**2).sum(axis=1))

@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="held", target="held:build", summary="Waits in the middle of a study.")]

def build(*, dim, seed):
    return Held()
"""
SUITE = """\
name = "held"
seeds = [1, 2, 3]
threads = 1
optimizers = ["cma", "random"]
[study]
plugin = "held.py"
objective = "held"
dim = 3
budget = 40
popsize = 4
"""


def can_unshare():
    try:
        return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = [
    pytest.mark.skipif(not can_unshare(), reason="this system gives no network namespace, and Ray listens on all"),
    pytest.mark.slow,
]


def written(folder, suite):
    return {(plan.id, file): (study_path(folder, plan.id) / file).read_bytes() for plan in suite.plans for file in FILES}


def start(place, file, *options):
    """Starts a cluster of three nodes, each with room for one study, and the suite on it."""
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    patience = {"RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
    run = [sys.executable, "-m", "dfo_prompt", "suite", "run", file, "--out", "ray", "--executor", "ray", *options]
    command = [*NAMESPACE, sys.executable, str(Path(__file__).parent / "cluster.py"), "3", str(place), *run]
    return subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True, env={**os.environ, **secret, **patience})


def wait_for_lines(process, files, count):
    """Waits until these journals have so many lines each, while the process runs."""
    while not all(file.exists() and len(file.read_bytes().splitlines()) == count for file in files()):
        assert process.poll() is None, process.stderr.read()


def read_until(process, text):
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            break
    return "".join(lines)


@pytest.fixture
def held(tmp_path):
    """A suite whose studies wait after eight queries, and what they write where nothing holds them."""
    (tmp_path / "held.py").write_text(HELD)
    (tmp_path / "suite.toml").write_text(SUITE)
    suite = read_suite_file(tmp_path / "suite.toml")
    assert run_suite(suite, tmp_path / "local") == {}
    (tmp_path / "hold").touch()
    return suite, written(tmp_path / "local", suite)


def journals_of(place):
    """Of the three studies that are under way."""

    def found():
        files = [*(place / "ray").glob("studies/*/*/*/journal.jsonl")]
        return files if len(files) == 3 else [place / "none"]

    return found


def test_a_study_goes_on_elsewhere_when_its_node_is_killed(held, tmp_path):
    suite, local = held
    with start(tmp_path, "suite.toml") as process:
        wait_for_lines(process, journals_of(tmp_path), 8)
        (tmp_path / "kill").touch()
        said = read_until(process, "its node was lost (")
        (tmp_path / "hold").unlink()
        said += process.stderr.read()
    assert process.returncode == 0, said
    assert said.count("; it goes on elsewhere") == 1
    assert written(tmp_path / "ray", suite) == local
    assert not [*(tmp_path / "ray").glob(".shared-*")]


def test_a_cluster_that_stops_loses_nothing(held, tmp_path):
    suite, local = held
    with start(tmp_path, "suite.toml", "--executor-option", "cpus=1") as process:
        wait_for_lines(process, journals_of(tmp_path), 8)
        (tmp_path / "stop").touch()
        said = process.stderr.read()
    assert process.returncode == 2, said
    assert said.splitlines()[-1].startswith("error: "), said
    (tmp_path / "hold").unlink()
    assert not [*(tmp_path / "ray").glob("studies/*/*/*/result.json")]
    assert run_suite(suite, tmp_path / "ray") == {}
    assert written(tmp_path / "ray", suite) == local


def test_the_smoke_suite_is_that_of_this_machine(tmp_path):
    (tmp_path / "smoke.toml").write_text(SMOKE.read_text().replace("seeds = [1, 2, 3]", "seeds = [1]"))
    suite = read_suite_file(tmp_path / "smoke.toml")
    assert run_suite(suite, tmp_path / "local", jobs=2) == {}
    with start(tmp_path, "smoke.toml") as process:
        read_until(process, "(4 of 12 studies")
        (tmp_path / "kill").touch()
        said = process.stderr.read()
    assert process.returncode == 0, said
    assert written(tmp_path / "ray", suite) == written(tmp_path / "local", suite)
