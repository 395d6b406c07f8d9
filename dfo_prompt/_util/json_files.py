"""JSON files that are written atomically."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfo_prompt._util.durable import replacing
from dfo_prompt._util.reading import exists, read_bytes, unique_keys
from dfo_prompt.errors import InputError


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write `value` atomically."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    with replacing(path) as file:
        file.write(text.encode(errors="backslashreplace"))


def read_json(path: Path, *, missing: str) -> dict[str, Any]:
    """Read a file that `write_json` wrote.

    Raises:
        InputError: the file is damaged or does not exist; `missing` is the message for a file that does not exist.
    """
    if not exists(path):
        raise InputError(missing)
    try:
        value = json.loads(read_bytes(path).decode("utf-8"), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} is damaged: it holds no table")
    return value
