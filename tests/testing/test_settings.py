"""Conformance names a setting of the study that an optimizer does not work with."""

import pytest

from dfo_prompt.errors import PluginError
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.testing import OptimizerConformance

DEAF = """
import numpy as np
import dfo_prompt as dp

class Deaf(dp.Optimizer):
    def __init__(self, *, deaf="", **study):
        super().__init__(**study)
        self.deaf, self.rng, self.best = deaf, np.random.default_rng(self.seed), dp.Best(self.x0)
        self.center = np.zeros(self.dim) if deaf == "x0" else self.x0
        self.step = 0.7 if deaf == "sigma" else min(self.sigma, 0.9) if deaf == "cut" and self.bounds else self.sigma
        self.size = 5 if deaf == "popsize" else self.popsize
    def ask(self):
        z = self.inside(self.center + self.step * self.rng.standard_normal((self.size, self.dim)))
        if self.deaf == "none":
            return z[:0]
        if self.deaf == "still":
            return self.x0[None].copy()
        return z.clip(0.5, 1.5) if self.deaf == "bounds" and self.bounds else z
    def tell(self, candidates, losses):
        if len(losses):
            self.best.learn(candidates, losses)
    def recommend(self): return self.best.candidate.copy()

SPECS = [("deaf-" + name, {"deaf": name}, {}) for name in ("", "x0", "sigma", "cut", "popsize", "bounds", "none", "still")]
SPECS += [("honest-" + name, {"deaf": name}, {"ignores": (name,)}) for name in ("x0", "sigma", "popsize")]
SPECS += [("modest-" + name, {"deaf": ""}, {"ignores": (name,)}) for name in ("x0", "sigma", "popsize")]
SPECS += [("vague-" + name, {"deaf": name}, {"adapts": {name: "somehow"}}) for name in ("x0", "sigma", "popsize")]

@dp.hookimpl
def dfo_prompt_optimizers():
    for name, options, more in SPECS:
        yield dp.OptimizerSpec(name=name, target="deaf:Deaf", options=options, summary="", **more)
"""
TESTS = {
    "x0": "test_starts_at_x0",
    "sigma": "test_steps_by_sigma",
    "cut": "test_steps_by_sigma",
    "popsize": "test_asks_for_popsize",
    "bounds": "test_reaches_the_borders",
}


@pytest.fixture(autouse=True)
def deaf(tmp_path):
    (tmp_path / "deaf.py").write_text(DEAF)
    with plugin_files(tmp_path / "deaf.py"):
        yield


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            "x0",
            "'deaf-x0' does not start at x0 without bounds: its first candidates lie .* sigma away; declare x0 in the spec",
        ),
        (
            "sigma",
            "'deaf-sigma' does not step by sigma without bounds: .* declare sigma in the spec's `ignores` or `adapts`",
        ),
        ("cut", "'deaf-cut' .*(does not step by sigma|cuts sigma in a narrow box)"),
        ("popsize", "'deaf-popsize' asks for 5 candidates where popsize is 1; declare popsize in the spec"),
        ("bounds", "'deaf-bounds' goes .* of the way to the border"),
    ],
)
def test_what_is_not_heard_is_named(setting, said):
    with pytest.raises(AssertionError, match=said) as caught:
        getattr(OptimizerConformance(), TESTS[setting])(f"deaf-{setting}")
    assert len(str(caught.value).splitlines()[0]) < 250


@pytest.mark.parametrize("test", sorted(set(TESTS.values())))
def test_who_asks_for_nothing_hangs_no_test(test):
    with pytest.raises(
        (AssertionError, PluginError), match="asks for (no candidate|0 candidates)|asked for candidates of shape"
    ):
        getattr(OptimizerConformance(), test)("deaf-none")


def test_who_asks_for_x0_only_is_told():
    with pytest.raises(AssertionError, match="'deaf-still' asks for x0 only in its first 18 candidates without bounds"):
        OptimizerConformance().test_steps_by_sigma("deaf-still")


@pytest.mark.parametrize("test", sorted(set(TESTS.values())))
def test_who_hears_all_passes(test):
    getattr(OptimizerConformance(), test)("deaf-")


@pytest.mark.parametrize("setting", ["x0", "sigma", "popsize"])
def test_what_is_declared_is_held_to_that(setting):
    test = getattr(OptimizerConformance(), TESTS[setting])
    test(f"honest-{setting}")
    with pytest.raises(AssertionError, match=f"'modest-{setting}' declares that it ignores {setting}, which changes its"):
        test(f"modest-{setting}")
    with pytest.raises(AssertionError, match=f"'vague-{setting}' ignores {setting}; declare it so"):
        test(f"vague-{setting}")
