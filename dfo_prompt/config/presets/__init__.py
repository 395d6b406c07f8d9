"""Published settings as keys of a study; each preset's file states where it follows its source and where it deviates."""

from collections.abc import Mapping
from importlib.resources import as_file, files
from typing import Any

from dfo_prompt._util.parsing import read_toml
from dfo_prompt.errors import PluginError
from dfo_prompt.plugin.catalogue import catalogue

SUFFIX = ".toml"


def read_preset(name: str) -> dict[str, Any]:
    """Return the keys of a study that the preset sets.

    Raises:
        UnknownNameError: there is no such preset.
        PluginError: the preset's target is no table.
    """
    spec = catalogue().presets.find(name)
    package, _, file = spec.target.partition(":")
    if file.endswith(SUFFIX):
        with as_file(files(package).joinpath(file)) as path:
            return read_toml(path)
    table = spec.load()
    if not isinstance(table, Mapping):
        raise PluginError(f"preset {name!r} is a {type(table).__name__}, not a table of keys")
    return dict(table)
