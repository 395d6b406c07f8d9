"""The scripts of measurements write the ratios that their texts are about."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
pytestmark = pytest.mark.slow


def run(script, *flags):
    command = (sys.executable, BENCHMARKS / script, *flags)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def setting():
    """Return a setting whose loops cost nothing."""
    found = SimpleNamespace(tokens=10, textbook=lambda **_: np.zeros, engine=lambda _: np.zeros)
    found.behind = found
    return found


def test_the_overhead_of_an_optimizer_is_told_in_times_of_random_search():
    lines = run("perf/overhead.py", "--queries", "20").splitlines()
    assert [line for line in lines if not line.endswith(" times random")] == []
    assert lines[0].split()[-6:] == ["ms", "a", "query", "1.0", "times", "random"]


def test_the_engine_behind_the_texts_is_told_in_times_of_the_textbook_loop(setting, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS / "perf")
    behind = import_module("behind")
    seconds = iter([8.0, 4.0, 2.0, 1.0, 1.0, 0.5])
    monkeypatch.setattr(behind, "_measured", lambda _: (0.0, 1.0, next(seconds)))
    found = {row["way"]: row["times_textbook"] for row in behind.measure(setting, 1)}
    assert [*found.values()] == [1.0, 1.0, 4.0, 8.0, 4.0, 8.0]


def test_a_large_model_is_told_in_times_of_the_textbook_loop(setting, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS / "perf")
    large = import_module("large")
    rates = iter([2.0, 4.0, 6.0, 8.0])
    monkeypatch.setattr(large, "queries_per_second", lambda *_, **__: next(rates))
    assert [row["times_textbook"] for row in large.measure_loops(setting, 1)] == [1.0, 2.0, 3.0, 4.0]


def test_a_service_under_load_is_told_as_a_share_of_the_process(tmp_path):
    run("service/load.py", "--clients", "2", "--seconds", "1", "--out", str(tmp_path))
    figures = json.loads((tmp_path / "figures.json").read_text())
    share = figures["queries_a_second"] / figures["queries_a_second_in_process"]
    assert figures["share_of_in_process"] == pytest.approx(share, rel=0.05)
