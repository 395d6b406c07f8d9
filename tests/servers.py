"""Runs real `dfo-prompt serve` processes, and builds objectives for them."""

import os
import re
import subprocess
import sys
from pathlib import Path

TOKEN = "tests-0123456789abcdef"
ADDRESS = re.compile(r"at (http://\S+:(\d+))$")

HELD_OUT = '''
import time
from pathlib import Path
import numpy as np
import dfo_prompt as dp


class Slow:
    """The sphere with held-out examples; writes down each candidate that it is asked for, ahead of its loss."""

    metric = "nearness"

    def __init__(self, dim, log, seconds, missing, fails):
        self.dim, self._log, self._seconds, self._missing = dim, Path(log), seconds, missing
        self._fails, self._calls = fails, 0

    def evaluate(self, candidates):
        return self._score(candidates, 0.0, "train")

    def validate(self, candidates, split):
        return self._score(candidates, 1.0 if split == "dev" else 0.5, split)

    def baseline(self, split):
        return self.validate(np.full((1, self.dim), 9.0), split)

    def _score(self, candidates, target, split):
        self._calls += 1
        if self._fails and self._calls % self._fails == 0:
            raise RuntimeError("out of luck")
        with self._log.open("a") as file:
            file.writelines(f"{split} {z.tobytes().hex()}\\n" for z in candidates)
        time.sleep(self._seconds)
        assert dp.catalogue().objectives.find("slow")  # in whatever thread this runs
        distance = ((candidates - target) ** 2).sum(axis=1)
        distance[self._missing & (candidates[:, 0] > 0.8) & (candidates[:, 0] < 5)] = np.nan
        return dp.Evaluation(losses=distance, metrics={"nearness": -distance}, usage=dp.Usage(rows=3 * len(candidates)))


def build(*, dim, seed, log="asked.txt", seconds=0.0, missing=True, fails=0):
    return Slow(dim, log, seconds, missing, fails)


@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="slow", target="slow_plugin:build", summary="")]
'''

LABELLING = '''
import numpy as np
import dfo_prompt as dp


class Labelling:
    """The sphere, best on dev at (1, 1, ...), whose candidates label a text by its length."""

    metric, classes, fields = "nearness", ("short", "long"), ("text",)

    def __init__(self, dim):
        self.dim = dim

    def evaluate(self, candidates):
        return self.validate(candidates, "train")

    def validate(self, candidates, split):
        distance = ((candidates - (split == "dev")) ** 2).sum(axis=1)
        return dp.Evaluation(losses=distance, metrics={"nearness": -distance}, usage=dp.Usage(rows=3 * len(candidates)))

    def baseline(self, split):
        return self.validate(np.full((1, self.dim), 9.0), split)

    def predict(self, candidate, texts):
        return np.array([[0.75, 0.25] if len(one[0]) < 5 + candidate[0] else [0.2, 0.8] for one in texts])


def build(*, dim, seed):
    return Labelling(dim)


@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="labelling", target="labelling_plugin:build", summary="")]
'''


class Server:
    """A server process in the folder `place`; may be killed and started again at the same address."""

    def __init__(self, place: Path, *flags: str, plugin: Path | None = None, env: dict[str, str] | None = None) -> None:
        self._place, self._flags, self._port, self.url = place, flags, 0, ""
        self.said: list[str] = []
        self._env = env
        self._before = ["--plugin", str(plugin)] if plugin else []
        self.process: subprocess.Popen | None = None

    def start(self) -> "Server":
        command = [sys.executable, "-m", "dfo_prompt", *self._before, "serve", *self._flags, "--port", str(self._port)]
        log = (self._place / "server.log").open("a")
        self.process = subprocess.Popen(
            command, cwd=self._place, stdout=subprocess.PIPE, stderr=log, text=True, env=self._env
        )
        log.close()
        self.said = []
        found = None
        while not found:
            line = self.process.stdout.readline()  # said before the first request; empty if it has ended
            assert line, (self.said, (self._place / "server.log").read_text())
            self.said.append(line.strip())
            found = ADDRESS.search(line.strip())
        self.url, self._port = found[1], int(found[2])
        return self

    def kill(self) -> None:
        self.process.kill()
        self._ended()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self._ended()

    def _ended(self) -> int:
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        return status


def blocked(folder: Path, *modules: str) -> dict[str, str]:
    """An environment in which importing `modules` fails."""
    lines = [f"if name.partition('.')[0] in {modules!r}: raise ImportError('blocked ' + name)"]
    body = "\n".join(
        ["import sys", "class Block:", "    def find_spec(self, name, path=None, target=None):", f"        {lines[0]}"]
    )
    (folder / "sitecustomize.py").write_text(f"{body}\nsys.meta_path.insert(0, Block())\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}
