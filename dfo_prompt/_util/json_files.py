"""JSON files that are never half written."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from dfo_prompt.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes the place of `path` at the end: a kill in between leaves the old one, or none."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        yield file
    part.replace(path)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write `value`, whole or not at all."""
    with replacing(path) as file:
        # A lone surrogate, of a file name that is no text, becomes the escape that JSON has for it.
        file.write((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(errors="backslashreplace"))


def read_json(path: Path, *, missing: str) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Raises:
        InputError: there is no such file (`missing` says what that means), or it is damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(missing) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is damaged: it holds no table")
    return found
