"""`--set KEY=VALUE`: any key of a study from the command line."""

import tomllib
from collections.abc import Iterable
from typing import Any

from dfo_prompt.config.study import StudyConfig, merge, nested
from dfo_prompt.errors import InputError

PREFIXES = {"optimizer": "optimizer_options", "objective": "objective_options", "method": "method_options"}
DEEPEST = 100
"""Dots in a key."""


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Return the keys of a study that KEY=VALUE texts set: optimizer.KEY, objective.KEY, method.KEY, or a study's own key.

    Any other key is an option of the optimizer. Values are read as TOML, and as texts where they are none.

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
        elif key not in StudyConfig.__dataclass_fields__:
            key = f"optimizer_options.{key}"
        if key.count(".") > DEEPEST:
            raise InputError(f"--set {key[:60]}...: tables within tables end after {DEEPEST}")
        keys = merge(keys, nested(key, _value(value)))
    return keys


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # integers may be too long, and arrays too deep
        return text
