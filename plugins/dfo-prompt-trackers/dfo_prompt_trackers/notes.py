"""What a tracker must know when a study goes on: the file `tracking.json` beside the manifest, which is no part of it."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from dfo_prompt._util.json_files import read_json, write_json
from dfo_prompt.errors import InputError

FILE = "tracking.json"


def read_notes(folder: Path | None, tracker: str) -> dict[str, Any]:
    """Return what a tracker noted in a folder; nothing where the file is missing or damaged."""
    with suppress(InputError):
        found = read_json(folder / FILE, missing="").get(tracker) if folder else None
        return found if isinstance(found, dict) else {}
    return {}


def write_notes(folder: Path | None, tracker: str, notes: dict[str, Any]) -> None:
    """Note what a tracker must know, and keep what others noted."""
    if folder is None:
        return
    others: dict[str, Any] = {}
    with suppress(InputError):
        others = read_json(folder / FILE, missing="")
    write_json(folder / FILE, {**others, tracker: notes})
