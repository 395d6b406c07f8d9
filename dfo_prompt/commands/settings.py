"""Keys of a study from the command line: a flag for each key of [problem] and [prompt], and `--set KEY=VALUE` for any."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, get_type_hints

import click
from pydantic.fields import FieldInfo

from dfo_prompt.config.paths import bare
from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.config.reading import merge, nested
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError

PREFIXES = {"optimizer": "optimizer_options", "objective": "objective_options", "method": "method_options"}
TABLES: Mapping[str, type[Any]] = {"problem": ProblemConfig, "prompt": PromptConfig}
LONG = {"tokens", "place", "start", "layers"}
"""Keys of [prompt] whose flags say so: --prompt-tokens."""


def table_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command a flag for each key of [problem] and [prompt] that has a description."""
    for table, kind in reversed([*TABLES.items()]):
        hints = get_type_hints(kind, include_extras=True)
        for field in reversed(fields(kind)):
            about = [one for one in getattr(hints[field.name], "__metadata__", ()) if isinstance(one, FieldInfo)]
            if said := next((one.description for one in about if one.description), None):
                flag = f"--{'prompt-' * (field.name in LONG)}{field.name.replace('_', '-')}"
                kind_of_value = int if bare(hints[field.name]) is int else str
                command = click.option(flag, f"{table}__{field.name}", type=kind_of_value, help=said)(command)
    return command


def given_keys(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a study that flags set, those of `table_flags` in their tables."""
    keys: dict[str, Any] = {}
    for key, value in flags.items():
        if value is not None:
            keys = merge(keys, nested(key.replace("__", "."), value))
    return keys


DEEPEST = 100
"""Dots in a key."""


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Return the keys of a study that KEY=VALUE texts set.

    KEY is a key of the study, problem.KEY, prompt.KEY, optimizer.KEY, objective.KEY or method.KEY; any other is an option of
    the optimizer. Values are read as TOML, and as texts where they are none.

    Raises:
        InputError: a text has no "=".
    """
    keys: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"--set {setting}: write KEY=VALUE")
        owner, _, name = key.partition(".")
        if name and owner in PREFIXES:
            key = f"{PREFIXES[owner]}.{name}"
        elif owner not in StudyConfig.__dataclass_fields__:
            key = f"optimizer_options.{key}"
        if key.count(".") > DEEPEST:
            raise InputError(f"--set {key[:60]}...: tables within tables end after {DEEPEST}")
        keys = merge(keys, nested(key, _value(value)))
    return keys


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # no TOML, a number too long, tables too deep
        return text
