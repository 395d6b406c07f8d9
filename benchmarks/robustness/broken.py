"""Runs studies in forked processes that are interrupted, and compares their folders with an uninterrupted run."""

import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import numpy as np

from dfo_prompt.config.reading import parse_config
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import DfoPromptError
from dfo_prompt.run.built import objective_of, plugin_of
from dfo_prompt.run.study import run_study

PLUGIN = '''
import numpy as np
import dfo_prompt as dp

class HeldOut:
    """The sphere, with costs, and a dev metric that prefers other candidates than the loss."""

    metric = "nearness"

    def __init__(self, dim):
        self.dim = dim

    def evaluate(self, candidates):
        losses = (candidates**2).sum(axis=1)
        usage = dp.Usage(rows=3 * len(candidates), tokens=7)
        return dp.Evaluation(losses=losses, metrics={"norm": np.sqrt(losses)}, usage=usage)

    def validate(self, candidates, split):
        losses = ((candidates - (split == "dev")) ** 2).sum(axis=1)
        usage = dp.Usage(rows=5 * len(candidates))
        return dp.Evaluation(losses=losses, metrics={"nearness": -losses}, usage=usage)

    def baseline(self, split):
        return self.validate(np.full((1, self.dim), 9.0), split)

def build(*, dim, seed):
    return HeldOut(dim)

@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="held-out", target="held_out_plugin:build", summary="A bowl with held-out figures.")]
'''
OPTIMIZERS = ("cma", "random", "coordinate")
STUDY = {"objective": "held-out", "dim": 8, "budget": 60, "popsize": 6, "validate_every": 12}
UNTIMED = ("peak_bytes", "user_bytes", "repeated", "git_commit")
FAILED, FAULT = 2, 3


@contextmanager
def workshop() -> Iterator[Path]:
    """Yield an empty folder with the plugin in it."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "held_out_plugin.py").write_text(PLUGIN)
        yield Path(folder)


def study_of(folder: Path, optimizer: str) -> StudyConfig:
    """Return the study by `optimizer` whose plugin lies in `folder`."""
    return parse_config({**STUDY, "optimizer": optimizer, "plugin": str(folder / "held_out_plugin.py")})


def run_here(config: StudyConfig, out: Path) -> None:
    """Run the study of `config` in this process."""
    with plugin_of(config):
        run_study(config, objective_of(config), out=out)


def fork(work: Callable[[], object]) -> int:
    """Start a process that does `work` and ends with 0, FAILED (one of our errors) or FAULT; return its id."""
    gc.freeze()  # otherwise the child's collector copies every page
    if pid := os.fork():
        return pid
    status = FAULT
    try:
        with open(os.devnull, "w") as silence:
            os.dup2(silence.fileno(), 1)
        work()
        status = 0
    except (DfoPromptError, OSError):  # the program says either in one line
        status = FAILED
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def ended(pid: int) -> int:
    """Wait for a process; return its exit status, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def wait_at_most(pid: int, seconds: float) -> None:
    """Wait for a process to end, for at most this many seconds."""
    until = monotonic() + seconds
    while monotonic() < until and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        sleep(0.001)


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes in its own process, which must succeed."""
    began = monotonic()
    if status := ended(fork(work)):
        sys.exit(f"the unbroken run ended with status {status}")
    return monotonic() - began


def differences(broken: Path, whole: Path) -> list[str]:
    """Return the files and accounts of two study folders that differ in more than times."""
    names = {file.name for folder in (broken, whole) for file in folder.iterdir() if file.name != ".lock"}
    # A ledger has reservations that were cut off: their sum must be right. A manifest names the commit of its moment.
    figures = {"ledger.jsonl", "result.json", "manifest.json"}
    different = [name for name in sorted(names - figures) if _bytes(broken / name) != _bytes(whole / name)]
    for name in ("manifest.json", "result.json"):
        one, other = (_untimed(json.loads((folder / name).read_text())) for folder in (broken, whole))
        different += [f"{name}: {key}" for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
    return different


def phase_of(folder: Path) -> str:
    """Return how far the study in `folder` had come."""
    if not (folder / "manifest.json").exists():
        return "start-up"
    if not (lines := _lines(folder / "journal.jsonl")):
        return "first write"
    if lines < STUDY["budget"]:
        return "queries and looks at dev"
    return "after the result" if (folder / "result.json").exists() else "last validation and result"


def random_phase(rng: np.random.Generator, events: int) -> Callable[[], None]:
    """Return a hook by which a forked process kills itself at a random one of `events` file operations."""
    left = int(rng.integers(1, events + 1))

    def watch() -> None:
        def count(event: str, _arguments: tuple[Any, ...]) -> None:
            nonlocal left
            if event in ("open", "os.rename", "os.truncate", "os.remove", "os.mkdir"):
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)

    return watch


def _lines(file: Path) -> int:
    return _bytes(file).count(b"\n")


def _bytes(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""


def _untimed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _untimed(inner) for key, inner in value.items() if key not in UNTIMED and not key.endswith("seconds")}
