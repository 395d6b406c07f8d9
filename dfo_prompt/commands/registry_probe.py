"""Tries each name of an optimizer registry once in a separate process and caches the outcome."""

import hashlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

from dfo_prompt._util.downloads import cache_folder
from dfo_prompt._util.json_files import read_json, write_json
from dfo_prompt.api.minimize import minimize
from dfo_prompt.contracts.spec import OptimizerSpec, load_target
from dfo_prompt.errors import DfoPromptError, InputError, one_line
from dfo_prompt.plugin.catalogue import given_files, plugin_files
from dfo_prompt.plugin.installed import metadata_of
from dfo_prompt.run.factory import create_objective

SECONDS = 30
"""The time limit of a name's small study."""
DIM, BUDGET, POPSIZE = 10, 40, 4


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The outcome of a name: its state, and a note with the resolved algorithm or the error."""

    name: str
    state: Literal["works", "missing", "fails", "slow"]
    note: str = ""


def names_of(spec: OptimizerSpec) -> list[str]:
    """Return every name of the registry `spec`.

    Raises:
        InputError: `spec` is not a registry.
        PluginError: a required distribution is not installed.
    """
    if not spec.variants:
        raise InputError(f"{spec.name!r} has no registry of names")
    variants: Callable[[], Iterable[str]] = load_target(spec.variants, needed_by=spec.name)
    return [f"{spec.name[:-1]}{variant}" for variant in variants()]


def try_registry(spec: OptimizerSpec) -> Iterator[Trial]:
    """Try every name that can replace the star in `spec.name`; outcomes with the same installed packages are cached.

    Raises:
        InputError, PluginError: see `names_of`.
    """
    cache = cache_folder() / "trials" / f"{spec.name.partition(':')[0]}-{_fingerprint()}.json"
    if cache.exists():
        yield from (Trial(**entry) for entry in read_json(cache, missing="")["trials"])
        return
    trials = []
    for trial in _try_each(names_of(spec)):
        trials.append(trial)
        yield trial
    cache.parent.mkdir(parents=True, exist_ok=True)
    write_json(cache, {"trials": [asdict(trial) for trial in trials]})


def _try_each(names: list[str]) -> Iterator[Trial]:
    # Use a new interpreter: some optimizers start threads, change global state at import, or never return.
    context = multiprocessing.get_context("spawn")
    while names:
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(names, given_files(), theirs), daemon=True)
        worker.start()
        theirs.close()
        done = 0
        for trial in _received(ours, names):
            done += 1
            yield trial
        names = names[done:]
        worker.kill()
        worker.join()


def _received(ours: Connection, names: Iterable[str]) -> Iterator[Trial]:
    try:
        ready = ours.poll(10 * SECONDS) and ours.recv() == "ready"
    except EOFError:
        ready = False
    if not ready:
        raise InputError("a process to try optimizers in does not start")
    for name in names:
        if not ours.poll(SECONDS):
            yield Trial(name=name, state="slow", note=f"no end within {SECONDS} seconds")
            return
        try:
            yield ours.recv()
        except EOFError:
            yield Trial(name=name, state="fails", note="ends the process")
            return


def _work(names: list[str], files: tuple[Path, ...], theirs: Connection) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, sys.stdout.fileno())
    os.dup2(silence, sys.stderr.fileno())
    theirs.send("ready")
    with plugin_files(*files):
        for name in names:
            theirs.send(_try(name))
    os._exit(0)  # end even if threads are left


def _try(name: str) -> Trial:
    try:
        objective = create_objective("sphere", dim=DIM)
        result = minimize(objective, optimizer=name, budget=BUDGET, popsize=POPSIZE, progress=False)
    except DfoPromptError as error:
        missing = isinstance(error.__cause__, ImportError)
        return Trial(name=name, state="missing" if missing else "fails", note=one_line(error.__cause__ or error))
    except BaseException as error:
        return Trial(name=name, state="fails", note=one_line(error))
    return Trial(name=name, state="works", note=str(result.optimizer_state.get("resolved", "")))


def _fingerprint() -> str:
    installed = sorted(
        " ".join(metadata_of(distribution, key) for key in ("Name", "Version")) for distribution in distributions()
    )
    plugins = [f"{file} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in given_files()]
    return hashlib.sha256("\n".join([*installed, *plugins]).encode()).hexdigest()[:12]
