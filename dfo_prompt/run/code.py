"""The code of plugins behind a study: files by their hash, installed distributions by their version."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import Catalogue, Shelf, catalogue


def code_of(config: StudyConfig) -> dict[str, str]:
    """Return what supplies optimizer, objective and method of a study, and the projection, task and model that it names.

    What is built in is left out: a continued study compares its candidates, and asks a plain objective again.

    Raises:
        InputError: a plugin file cannot be read.
    """
    offered = catalogue()
    plugins = {info.name: info for info in offered.plugins}
    found = {Path(config.plugin).name: _hash(Path(config.plugin))} if config.plugin else {}
    for giver in _givers(offered, config):
        info = plugins.get(giver)
        if info and info.origin == "file":
            found[Path(giver).name] = _hash(Path(giver))
        elif info and info.version:
            found[info.origin] = info.version
    return dict(sorted(found.items()))


def _givers(offered: Catalogue, config: StudyConfig) -> Iterator[str]:
    options = config.objective_options
    named = {"optimizer": config.optimizer, "objective": config.objective, "method": config.method}
    shelves: tuple[Shelf[Any], ...] = (offered.optimizers, offered.objectives, offered.methods)
    for shelf in (*shelves, offered.projections, offered.tasks, offered.models):
        name = named.get(shelf.kind, options.get(shelf.kind))
        rest = name if isinstance(name, str) else ""
        while rest:  # a wrapper's name ends in that of the optimizer that it is built around
            family, _, inner = rest.partition(":")
            yield from shelf.givers.get(rest) or shelf.givers.get(f"{family}:*") or ()
            rest = inner


def _hash(file: Path) -> str:
    try:
        return f"sha256 {hashlib.sha256(file.read_bytes()).hexdigest()}"
    except OSError as error:
        raise InputError(f"plugin file {file} cannot be read: {error.strerror}") from error
