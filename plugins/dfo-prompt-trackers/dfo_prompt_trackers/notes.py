"""Stores the state that a tracker needs to continue a study, in the file `tracking.json` beside the manifest."""

import json
import os
from pathlib import Path
from typing import Any

FILE = "tracking.json"


def read_notes(folder: Path | None, tracker: str) -> dict[str, Any]:
    """Return the notes of a tracker in a folder; {} if the file is missing or damaged."""
    notes = _read(folder).get(tracker) if folder else None
    return notes if isinstance(notes, dict) else {}


def write_notes(folder: Path | None, tracker: str, notes: dict[str, Any]) -> None:
    """Write the notes of a tracker, and keep those of others."""
    if folder is None:
        return
    part = folder / f"{FILE}.part"
    part.write_text(json.dumps({**_read(folder), tracker: notes}, indent=2) + "\n", encoding="utf-8")
    os.replace(part, folder / FILE)  # atomic: a kill leaves the old or the new notes


def _read(folder: Path) -> dict[str, Any]:
    try:
        stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}
