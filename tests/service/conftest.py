from contextlib import ExitStack

import pytest
from servers import Server

HELD_OUT = '''
import time
from pathlib import Path
import numpy as np
import dfo_prompt as dp


class Slow:
    """The sphere with held-out examples; writes down each candidate that it is asked for, ahead of its loss."""

    metric = "nearness"

    def __init__(self, dim, log, seconds):
        self.dim, self._log, self._seconds = dim, Path(log), seconds

    def evaluate(self, candidates):
        return self._score(candidates, 0.0, "train")

    def validate(self, candidates, split):
        return self._score(candidates, 1.0 if split == "dev" else 0.5, split)

    def baseline(self, split):
        return self.validate(np.full((1, self.dim), 9.0), split)

    def _score(self, candidates, target, split):
        with self._log.open("a") as file:
            file.writelines(f"{split} {z.tobytes().hex()}\\n" for z in candidates)
        time.sleep(self._seconds)
        distance = ((candidates - target) ** 2).sum(axis=1)
        distance[(candidates[:, 0] > 0.8) & (candidates[:, 0] < 5)] = np.nan
        return dp.Evaluation(losses=distance, metrics={"nearness": -distance}, usage=dp.Usage(rows=3 * len(candidates)))


def build(*, dim, seed, log="asked.txt", seconds=0.0):
    return Slow(dim, log, seconds)


@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="slow", target="slow_plugin:build", summary="")]
'''


@pytest.fixture
def serve(tmp_path):
    """Starts a server process with these flags, in a folder of its own; ends it after the test."""
    with ExitStack() as stack:

        def start(*flags, plugin=None):
            place = tmp_path / "server"
            place.mkdir(exist_ok=True)
            server = Server(place, *flags, plugin=plugin).start()
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def slow_plugin(tmp_path):
    file = tmp_path / "slow_plugin.py"
    file.write_text(HELD_OUT)
    return file
