"""Candidates with the same text are paid for once, in continued studies too."""

import subprocess
import sys
import time
from dataclasses import fields, replace

import numpy as np
import pytest
from fakes import HeldOutBowl, Steps, steps, study

import dfo_prompt as dp
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import PluginError
from dfo_prompt.objectives.outer import LeastSquares
from dfo_prompt.study.costs import read_spent
from dfo_prompt.study.records import Account

FILES = ("journal.jsonl", "validation.jsonl", "candidates.f64", "validation.f64")


class Signs(HeldOutBowl):
    """A bowl around the signs of z, which are its text; breaks off at a call of a number."""

    def __init__(self, dim=3, stop_at=0, bad="+++"):
        super().__init__(dim)
        self.texts, self.calls, self.stop_at, self.bad = [], 0, stop_at, bad
        self.outer = LeastSquares(size=dim)

    def text(self, candidate):
        return "".join("+" if x > 0 else "-" for x in candidate)

    def evaluate(self, candidates):
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        self.texts += [self.text(z) for z in candidates]
        found = super().evaluate(np.sign(candidates) + np.arange(self.dim))
        found.losses[[self.text(z) == self.bad for z in candidates]] = np.nan
        return found

    def validate(self, candidates, split):
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        self.texts += [f"{split} {self.text(z)}" for z in candidates]
        return super().validate(np.sign(candidates) + np.arange(self.dim), split)

    def baseline(self, split):
        return HeldOutBowl.validate(self, np.full((1, self.dim), 9.0), split)


def spent(folder):
    """What both accounts were charged, but for time and what ran twice."""
    names = [field.name for field in fields(Usage)]
    return [{name: getattr(read_spent(folder, account), name) for name in names} for account in Account]


def test_each_text_is_asked_once_on_each_split_and_each_candidate_is_a_query(tmp_path):
    objective = Signs()
    result = study(objective, folder=tmp_path, validate_every=8).run()
    assert len(objective.texts) == len(set(objective.texts)) <= 8 * 3
    assert result.spent.queries == 50
    assert result.spent.rows == len([text for text in objective.texts if " " not in text])
    assert result.recommended_loss is not None
    assert result.failures > 0  # the bad text, asked once


def test_every_break_ends_with_the_files_and_costs_of_the_unbroken_study(tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    first = Signs()
    study(first, folder=whole, validate_every=8).run()
    for stop in range(1, first.calls + 1):
        folder = tmp_path / str(stop)
        folder.mkdir()
        with pytest.raises(KeyboardInterrupt):
            study(Signs(stop_at=stop), folder=folder, validate_every=8).run()
        study(Signs(), folder=folder, validate_every=8).run()
        assert spent(folder) == spent(whole)
        for name in FILES:
            assert (folder / name).read_bytes() == (whole / name).read_bytes(), (stop, name)


class Residuals(Signs):
    """The same with residuals as outputs."""

    def evaluate_outputs(self, candidates):
        found = self.evaluate(candidates)
        return replace(found, outputs=np.sign(candidates) + np.arange(self.dim))


class Learns(dp.StructuredOptimizer, Steps):
    """Walks by the outputs that it was told."""

    shift = 0.0

    def ask(self):
        return super().ask() + 0.01 * self.shift

    def tell_outputs(self, candidates, losses, outputs):
        self.shift = np.nansum(outputs)
        Steps.tell(self, candidates, losses)


def learns(objective, folder):
    settings = {"dim": 3, "seed": 1, "budget": 50, "popsize": 4, "sigma": 0.5, "x0": np.ones(3)}
    optimizer = Learns(outer=objective.outer, **settings)
    return study(objective, folder=folder, optimizer=optimizer, outputs=3, validate_every=8).run()


def test_outputs_of_one_text_are_known_again_after_every_break(tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    first = Residuals()
    learns(first, whole)
    assert len(first.texts) == len(set(first.texts)) < 50
    for stop in range(1, first.calls + 1):
        folder = tmp_path / str(stop)
        folder.mkdir()
        with pytest.raises(KeyboardInterrupt):
            learns(Residuals(stop_at=stop), folder)
        learns(Residuals(), folder)
        assert spent(folder) == spent(whole)
        for name in (*FILES, "outputs.f64"):
            assert (folder / name).read_bytes() == (whole / name).read_bytes(), (stop, name)


def test_an_objective_that_cannot_tell_the_text_breaks_its_contract():
    class Mute(Signs):
        def text(self, candidate):
            raise RuntimeError("no idea")

    with pytest.raises(PluginError, match="cannot tell the text of a candidate: RuntimeError: no idea"):
        study(Mute()).run()


def test_candidates_of_an_objective_without_texts_are_each_asked():
    objective = HeldOutBowl()
    result = study(objective, optimizer=steps()).run()
    assert result.spent.rows == objective.queries - 1 == 50  # and the recommended one again


PLUGIN = """
import time
import numpy as np
import dfo_prompt as dp

class Slow:
    dim = 3
    def text(self, candidate):
        return "".join("+" if x > 0 else "-" for x in candidate)
    def evaluate(self, candidates):
        time.sleep(0.02)
        usage = dp.Usage(rows=len(candidates), tokens=7 * len(candidates))
        return dp.Evaluation(losses=(np.sign(candidates) + 0.5).sum(axis=1), usage=usage)

def build(*, dim, seed):
    return Slow()

@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="slow", target="slow_plugin:build", summary="")]
"""


@pytest.mark.slow
def test_kills_end_with_the_unbroken_journal_costs_and_text(tmp_path):
    (tmp_path / "slow_plugin.py").write_text(PLUGIN)

    def command(out):
        flags = f"--objective slow --dim 3 --optimizer random --budget 40 --popsize 2 --out {out}"
        return [sys.executable, "-m", "dfo_prompt", "--plugin", "slow_plugin.py", "run", *flags.split()]

    subprocess.run(command("whole"), cwd=tmp_path, check=True, capture_output=True)
    journal = tmp_path / "broken" / "journal.jsonl"
    for _ in range(2):
        before = journal.stat().st_size if journal.exists() else 0
        process = subprocess.Popen(command("broken"), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and (not journal.exists() or journal.stat().st_size <= before):
            time.sleep(0.002)
        process.kill()
        process.wait()
    subprocess.run(command("broken"), cwd=tmp_path, check=True, capture_output=True)
    for name in ("journal.jsonl", "prompt.txt"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert spent(tmp_path / "broken") == spent(tmp_path / "whole")
    assert spent(tmp_path / "whole")[0]["rows"] <= 8
