"""Safetensors files that are written atomically, with the same bytes for the same content."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from dfo_prompt._util.durable import replacing, writing

ENTRIES = "__metadata__"
"""The key of the metadata in a file's header."""
LENGTH, ALIGNED = 8, 8
"""The bytes of the header's length, and the unit to which spaces fill the header up."""


def write_tensors(path: Path, tensors: Mapping[str, "np.ndarray[Any, Any]"], entries: Mapping[str, str]) -> None:
    """Write tensors as float32, and `entries` as metadata; a file with this content is kept, whatever its order.

    The library writes the metadata in random order. Studies identify the file by its hash, so the order is fixed here.

    Raises:
        StudyError: the file cannot be written.
    """
    data = save({name: value.astype(np.float32) for name, value in tensors.items()}, {**entries})
    header, body = _parts(data)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError, ValueError):  # ValueError: it is another kind of file
            if _parts(path.read_bytes()) == (header, body):
                return
        with replacing(path) as file:
            file.write(_encoded({**header, ENTRIES: dict(sorted(entries.items()))}) + body)


def _parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Split a file into its header and its tensors."""
    end = LENGTH + int.from_bytes(data[:LENGTH], "little")
    return json.loads(data[LENGTH:end]), data[end:]


def _encoded(header: Mapping[str, Any]) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNED)
    return len(text).to_bytes(LENGTH, "little") + text
