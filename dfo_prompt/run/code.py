"""The plugin code that a study uses: files by hash, installed distributions by version."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.plugin.entries import shelf


def code_of(config: StudyConfig) -> dict[str, str]:
    """Return the plugins that supply the entries named in a study, with their hash or version.

    Built-ins are left out: a continued study compares its candidates, and checks the losses of a plain objective.

    Raises:
        InputError: a plugin file cannot be read.
    """
    plugins = {info.name: info for info in catalogue().plugins}
    code = {config.plugin.name: _hash(config.plugin)} if config.plugin else {}
    for giver in _givers(config):
        info = plugins.get(giver)
        if info and info.origin == "file":
            code[Path(giver).name] = _hash(Path(giver))
        elif info and info.version:
            code[info.origin] = info.version
    return dict(sorted(code.items()))


def _givers(config: StudyConfig) -> Iterator[str]:
    problem, prompt = config.problem, config.prompt
    named = {kind: getattr(config, kind) for kind in ("optimizer", "objective", "method")}
    named |= {kind: getattr(prompt, kind) for kind in ("projection", "loss", "calibration")}
    for kind, name in {**named, "task": problem.task, "model": problem.model}.items():
        givers, rest = shelf(kind).givers, name if isinstance(name, str) else ""
        while rest:  # the name of a wrapper ends with that of the wrapped optimizer
            family, _, inner = rest.partition(":")
            yield from givers.get(rest) or givers.get(f"{family}:*") or ()
            rest = inner


def _hash(file: Path) -> str:
    try:
        return f"sha256 {hashlib.sha256(file.read_bytes()).hexdigest()}"
    except OSError as error:
        raise InputError(f"plugin file {file} cannot be read: {error.strerror}") from error
