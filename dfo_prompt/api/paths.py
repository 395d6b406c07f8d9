"""Checks paths that a caller gives."""

from os import PathLike
from pathlib import Path
from typing import Any

from dfo_prompt.errors import InputError


def path_of(value: Any, name: str, *, where: str) -> Path | None:
    """Return the path in the argument `name`, or None for None and "".

    Raises:
        InputError: the value is no path.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str | PathLike):
        raise InputError(f"{where}: {name} must be the path of a folder, not {value!r:.40}")
    return Path(value)
