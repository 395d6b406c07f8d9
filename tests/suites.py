"""Finished suites for tests of status, continuation and reports."""

from pathlib import Path

from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.suite.run import run_suite

PLANTED = """\
import dfo_prompt as dp
import numpy as np


{objective}

class Start(dp.Optimizer):
    def ask(self):
        return self.x0 + np.linspace(0.0, 1.0, self.popsize)[:, None] * np.ones(self.dim)

    def tell(self, candidates, losses):
        pass

    def recommend(self):
        return self.x0


class Stray(Start):
    def recommend(self):
        return self.x0 + 9.0


@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="planted", target="planted:Planted", summary="Best where a test wants it.")]


@dp.hookimpl
def dfo_prompt_optimizers():
    return [
        dp.OptimizerSpec(name="stay", target="planted:Start", summary="Begins at the start."),
        dp.OptimizerSpec(name="stray", target="planted:Stray", summary="Recommends a worse point."),
    ]
"""


def finished_suite(place: Path, text: str) -> Path:
    """Run the suite file `text` in the folder `place`, and return the suite's folder."""
    (place / "suite.toml").write_text(text)
    run_suite(read_suite_file(place / "suite.toml"), place / "out")
    return place / "out"


def write_planted(place: Path, objective: str) -> None:
    """Write planted.py: the objective "planted", a class `Planted` in `objective`, and the optimizers "stay" and "stray"."""
    (place / "planted.py").write_text(PLANTED.format(objective=objective))
