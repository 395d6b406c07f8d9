"""A suite that is killed repeatedly ends like an uninterrupted one."""

import random
import subprocess
import sys
import time

import pytest

from dfo_prompt.suite.folder import study_path
from dfo_prompt.suite.reading import read_suite_file

pytestmark = pytest.mark.slow

SUITE = """\
name = "killed"
seeds = [1, 2]
threads = 1
optimizers = ["cma", "random", "zo:es"]
[study]
dim = 5
budget = 300
popsize = 3
[cross]
objective = ["sphere", "rosenbrock"]
"""
KILLS = 5


def test_kills_lose_nothing_and_repeat_nothing(tmp_path):
    (tmp_path / "suite.toml").write_text(SUITE)
    suite = read_suite_file(tmp_path / "suite.toml")

    def start(folder):
        command = [sys.executable, "-m", "dfo_prompt", "suite", "run", "suite.toml", "--out", folder, "--jobs", "4"]
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def asked():
        return sum(file.stat().st_size for file in (tmp_path / "killed").glob("studies/**/journal.jsonl"))

    rng, kills = random.Random(0), 0
    while kills < KILLS:
        before, process = asked(), start("killed")
        while process.poll() is None and asked() == before:  # it comes as far as asking something anew
            time.sleep(0.02)
        if process.poll() is not None:
            break
        time.sleep(rng.uniform(0, 0.2))
        process.kill()
        process.communicate()
        kills += 1
    assert kills > 1
    for folder in ("killed", "whole"):
        process = start(folder)
        said = process.communicate()[1]
        assert process.returncode == 0, said

    def journals(folder):
        return {plan.id: (study_path(tmp_path / folder, plan.id) / "journal.jsonl").read_bytes() for plan in suite.plans}

    assert journals("killed") == journals("whole")
    assert all(len(lines.splitlines()) == 300 for lines in journals("killed").values())
