"""A study killed at random moments continues with the same command."""

import random
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow

PLUGIN = """
import time
import dfo_prompt as dp

class Slow:
    dim = 20
    def evaluate(self, candidates):
        time.sleep(0.02)
        return dp.Evaluation(losses=(candidates**2).sum(axis=1))

def build(*, dim, seed):
    return Slow()

@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="slow", target="slow_plugin:build", summary="")]
"""


@pytest.mark.parametrize("optimizer", ["cma", "random"])
def test_ten_kills_end_with_the_unbroken_journal(tmp_path, optimizer):
    (tmp_path / "slow_plugin.py").write_text(PLUGIN)

    def command(out):
        flags = f"--objective slow --dim 20 --optimizer {optimizer} --budget 403 --popsize 4 --out {out}"
        return [sys.executable, "-m", "dfo_prompt", "--plugin", "slow_plugin.py", "run", *flags.split()]

    subprocess.run(command("whole"), cwd=tmp_path, check=True, capture_output=True)
    rng, kills = random.Random(optimizer), 0
    journal = tmp_path / "broken" / "journal.jsonl"
    while kills < 10:
        before = journal.stat().st_size if journal.exists() else 0
        process = subprocess.Popen(command("broken"), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and (not journal.exists() or journal.stat().st_size <= before):
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        process.wait()
        kills += 1
    subprocess.run(command("broken"), cwd=tmp_path, check=True, capture_output=True)
    for name in ("journal.jsonl", "validation.jsonl", "candidates.npz"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
