"""Keys of a study on the command line: a flag for each key of its tables, and `--set KEY=VALUE` for any key."""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

import click
from pydantic.fields import FieldInfo

from dfo_prompt.commands.names import Named
from dfo_prompt.config.endpoint import EndpointConfig
from dfo_prompt.config.paths import bare
from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.config.reading import merge, nested
from dfo_prompt.config.stop import StopConfig
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError, UnknownNameError

DEEPEST = 100
"""The most dots in a key."""
PREFIXES = {"optimizer": "optimizer_options", "objective": "objective_options", "method": "method_options"}
TABLES: Mapping[str, type[Any]] = {
    "problem": ProblemConfig,
    "prompt": PromptConfig,
    "endpoint": EndpointConfig,
    "stop": StopConfig,
}
FIRST_PARTS = (*PREFIXES, *TABLES, "limits", "prices", "trackers")
"""The names that a key may have before its first dot."""
NAMES = {
    ("problem", "model"): Named("models"),
    ("problem", "task"): Named("tasks"),
    ("prompt", "projection"): Named("projections"),
    ("prompt", "loss"): Named("losses"),
    ("prompt", "calibration"): Named("calibrations"),
    ("endpoint", "kind"): Named("endpoints"),
}
"""Keys whose values a shell completes with names of the catalogue; some also accept paths or hub ids."""
LONG = {"tokens", "place", "start", "layers", "on"}
"""Keys of [prompt] and [stop] whose flags include the table, such as --prompt-tokens; those of [endpoint] all do."""


def table_flags(*tables: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds to a command a flag for each key of some of `TABLES` that has a description."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for table in reversed(tables):
            command = _with_flags(command, table, TABLES[table])
        return command

    return add


def _with_flags(command: Callable[..., Any], table: str, kind: type[Any]) -> Callable[..., Any]:
    hints = get_type_hints(kind, include_extras=True)
    for field in reversed(fields(kind)):
        about = [part for part in getattr(hints[field.name], "__metadata__", ()) if isinstance(part, FieldInfo)]
        if description := next((part.description for part in about if part.description), None):
            long = table == "endpoint" or field.name in LONG
            value_type = number if (number := bare(hints[field.name])) in (int, float) else str
            command = click.option(
                f"--{f'{table}-' * long}{field.name.replace('_', '-')}",
                f"{table}__{field.name}",
                type=NAMES.get((table, field.name), value_type),
                help=f"{description.removesuffix('.')}{shown_default(field.default)}.",
            )(command)
    return command


def shown_default(value: object) -> str:
    """Return the note on the default in the help of a flag; "" if the default is to leave the key out."""
    unset = value is None or value is MISSING or value == ""
    return "" if unset else f" [default: {value:g}]" if isinstance(value, float) else f" [default: {value}]"


def given_keys(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a study that flags set, with those of `table_flags` in their tables."""
    keys: dict[str, Any] = {}
    for key, value in flags.items():
        if value is not None:
            keys = merge(keys, nested(key.replace("__", "."), value))
    return keys


def with_settings(flags: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that flags and `--set` give.

    Raises:
        InputError: both give a key, with different values.
    """
    _check_given_once(flags, settings)
    return merge(flags, settings)


def _check_given_once(flags: Mapping[str, Any], settings: Mapping[str, Any], table: str = "") -> None:
    for key in sorted(flags.keys() & settings.keys()):
        first, second, name = flags[key], settings[key], f"{table}{key}"
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            _check_given_once(first, second, f"{name}.")
        elif first != second:
            raise InputError(f"{name} is {first!r} by its flag and {second!r} by --set; leave one out")


def tracker_keys(names: Iterable[str]) -> dict[str, Any]:
    """Return the keys of a study that requests trackers by name."""
    trackers: dict[str, Any] = {name: {} for name in names}
    return {"trackers": trackers} if trackers else {}


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Return the keys of a study that KEY=VALUE texts set.

    KEY is a key of the study or begins with one of `FIRST_PARTS`, such as problem.KEY or optimizer.KEY; any other key is an
    option of the optimizer. Values are parsed as TOML, or taken as text if they are no TOML.

    Raises:
        InputError: a text has no "=", the first part of its key is unknown, or its key needs a first part.
    """
    keys: dict[str, Any] = {}
    for key, value in _pairs(settings, "--set"):
        owner, _, name = key.partition(".")
        if name and owner in PREFIXES:
            path = f"{PREFIXES[owner]}.{name}"
        elif owner not in StudyConfig.__dataclass_fields__:
            if name:
                raise UnknownNameError.among("first part of --set", owner, FIRST_PARTS)
            _check_is_no_other_key(key)
            path = f"optimizer_options.{key}"
        else:
            path = key
        if path.count(".") > DEEPEST:
            raise InputError(f"--set {path[:60]}...: tables within tables end after {DEEPEST}")
        keys = merge(keys, nested(path, value))
    return keys


def _check_is_no_other_key(key: str) -> None:
    """Check that the name of an optimizer's option is not also the name of another key.

    Raises:
        InputError: it is a key of a table, or "preset".
    """
    meant = next((f"--set {table}.{key}=VALUE" for table, kind in TABLES.items() if key in kind.__dataclass_fields__), "")
    if key == "preset":
        meant = "--preset VALUE, or preset in [study] of a suite file"
    if meant:
        raise InputError(f"--set {key}: write {meant}, or --set optimizer.{key}=VALUE for an option of the optimizer")


def parse_options(options: Iterable[str], flag: str) -> dict[str, Any]:
    """Return the options that KEY=VALUE texts of `flag` set, with values parsed as by `parse_settings`.

    Raises:
        InputError: a text has no "=".
    """
    return dict(_pairs(options, flag))


def _pairs(texts: Iterable[str], flag: str) -> Iterator[tuple[str, Any]]:
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"{flag} {text}: write KEY=VALUE")
        yield key, _value(value)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # not TOML, an integer that is too long, or tables nested too deeply
        return text
