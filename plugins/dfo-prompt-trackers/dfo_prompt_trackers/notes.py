"""Reads and writes `tracking.json` beside the manifest, where trackers store what they need to continue a study."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from dfo_prompt._util.json_files import read_json, write_json
from dfo_prompt.errors import InputError

FILE = "tracking.json"


def read_notes(folder: Path | None, tracker: str) -> dict[str, Any]:
    """Return a tracker's notes in a folder; empty if the file is missing or damaged."""
    with suppress(InputError):
        notes = read_json(folder / FILE, missing="").get(tracker) if folder else None
        return notes if isinstance(notes, dict) else {}
    return {}


def write_notes(folder: Path | None, tracker: str, notes: dict[str, Any]) -> None:
    """Write a tracker's notes, and keep those of other trackers."""
    if folder is None:
        return
    stored: dict[str, Any] = {}
    with suppress(InputError):
        stored = read_json(folder / FILE, missing="")
    write_json(folder / FILE, {**stored, tracker: notes})
