"""Published settings as data: keys of a study, one file a preset, each with what it repeats and what not."""

from importlib.resources import as_file, files
from typing import Any

from dfo_prompt._util.parsing import read_toml
from dfo_prompt.errors import UnknownNameError

SUFFIX = ".toml"


def preset_names() -> list[str]:
    """Return the names of all presets."""
    return sorted(file.name.removesuffix(SUFFIX) for file in files(__name__).iterdir() if file.name.endswith(SUFFIX))


def read_preset(name: str) -> dict[str, Any]:
    """Return the keys of a study that the preset sets.

    Raises:
        UnknownNameError: there is no such preset.
    """
    if name not in preset_names():
        raise UnknownNameError.among("preset", name, preset_names())
    with as_file(files(__name__).joinpath(name + SUFFIX)) as file:
        return read_toml(file)
