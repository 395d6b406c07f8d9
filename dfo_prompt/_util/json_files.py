"""JSON files that are never half written."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from dfo_prompt._util.reading import exists, read_bytes, unique_keys
from dfo_prompt.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes the place of `path` at the end: a kill in between leaves the old one, or none."""
    part = path.with_name(path.name + ".part")
    # What a killed process left goes first; so does a link, which writing would follow.
    part.unlink(missing_ok=True)
    with part.open("xb") as file:
        yield file
    part.replace(path)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write `value`, whole or not at all."""
    with replacing(path) as file:
        file.write((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path, *, missing: str) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Raises:
        InputError: there is no such file (`missing` says what that means), or it is damaged.
    """
    if not exists(path):
        raise InputError(missing)
    try:
        found = json.loads(read_bytes(path).decode("utf-8"), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is damaged: it holds no table")
    return found
