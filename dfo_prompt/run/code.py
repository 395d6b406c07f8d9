"""The plugin code and the files that a study uses: files by hash, installed distributions by version."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from dfo_prompt._util.reading import absolute
from dfo_prompt.config.study import WITH_OPTIONS, StudyConfig
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.plugin.entries import options_of, shelf
from dfo_prompt.plugin.files import digest_of

HASHED = "sha256 "
"""The start of the hash of a file; a distribution has its version instead."""
CREDENTIALS = ("token_file",)
"""Options that name files of secrets, which may be renewed and whose hashes belong in no folder."""


def code_of(config: StudyConfig) -> dict[str, str]:
    """Return the plugins that supply the entries named in a study, with hash or version, and hashes of its options' files.

    Built-ins are left out: a continued study compares its candidates, and checks the losses of a plain objective.

    Raises:
        InputError: a file cannot be read.
    """
    plugins = {info.name: info for info in catalogue().plugins}
    code = {config.plugin.name: _imported(config.plugin)} if config.plugin else {}
    for provider in _providers(config):
        info = plugins.get(provider)
        if info and info.origin == "file":
            code[Path(provider).name] = _imported(Path(provider))
        elif info and info.version:
            code[info.origin] = info.version
    return dict(sorted({**code, **dict(_files(config))}.items()))


def _files(config: StudyConfig) -> Iterator[tuple[str, str]]:
    for kind in WITH_OPTIONS:  # see `project_of` for files of projections
        options = getattr(config, f"{kind}_options")
        for option, value in (options_of(kind, getattr(config, kind), options) if options else {}).items():
            if isinstance(value, Path) and option not in CREDENTIALS and value.is_file():
                yield f"{kind}.{option}", _hash(value)


def _providers(config: StudyConfig) -> Iterator[str]:
    for kind, name in _named(config):
        entries, rest = shelf(kind), name
        while rest:
            family, _, inner = rest.partition(":")
            key = rest if rest in entries.specs else f"{family}:*"
            yield from entries.providers.get(key, ())
            rest = inner if getattr(entries.specs.get(key), "wraps", False) else ""


def _named(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Yield the kind and the name of each entry that the study names, and of optimizers that an optimizer's options name."""
    problem, prompt = config.problem, config.prompt
    named = {kind: getattr(config, kind) for kind in WITH_OPTIONS}
    named |= {kind: getattr(prompt, kind) for kind in ("projection", "loss", "calibration")}
    named |= {"task": problem.task, "model": problem.model, "endpoint": config.endpoint and config.endpoint.kind}
    yield from ((kind, name) for kind, name in named.items() if isinstance(name, str))
    yield from (("optimizer", text) for text in _texts(config.optimizer_options))


def _texts(options: object) -> Iterator[str]:
    if isinstance(options, str):
        yield options
    elif isinstance(options, Mapping):
        for value in options.values():
            yield from _texts(value)
    elif isinstance(options, list | tuple):
        for value in options:
            yield from _texts(value)


def _imported(file: Path) -> str:
    """Return the hash of a plugin file when it was imported: it may have been edited since."""
    digest = digest_of(absolute(file))
    return HASHED + digest if digest else _hash(file)


def _hash(file: Path) -> str:
    try:
        return HASHED + hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"file {file} cannot be read: {error.strerror}") from error
