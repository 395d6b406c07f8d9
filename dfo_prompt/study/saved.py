"""The result of a finished study or other method, as saved in its folder."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dfo_prompt._util.durable import replacing, writing
from dfo_prompt._util.json_files import read_json, write_json
from dfo_prompt._util.parsing import parse
from dfo_prompt._util.reading import exists, read_bytes
from dfo_prompt.contracts.spec import TEXT_FILE
from dfo_prompt.errors import InputError, one_line
from dfo_prompt.study.costs import Spent
from dfo_prompt.study.result import HeldOut, Result, StudyResult
from dfo_prompt.types import Vector

RESULT, CHOICES = "result.json", "candidates.npz"
VECTORS = ("best", "recommended", "chosen")


def save_result(path: Path, result: Result) -> None:
    """Write the figures of a finished study or other method, and the candidates of a study.

    Raises:
        StudyError: a file cannot be written.
    """
    with writing(path):
        if isinstance(result, StudyResult):
            with replacing(path / CHOICES) as file:
                np.savez(file, **{name: getattr(result, name) for name in VECTORS})
        write_json(path / RESULT, {name: value for name, value in asdict(result).items() if name not in VECTORS})


def save_text(path: Path, text: str) -> None:
    """Write the text of a finished study's answer.

    Raises:
        StudyError: the file cannot be written.
    """
    with writing(path), replacing(path) as file:
        file.write(f"{text}\n".encode(errors="backslashreplace"))


def read_text(path: Path) -> str | None:
    """Return the text that `save_text` wrote in a study folder; None if the study is unfinished or has no text."""
    file = path / TEXT_FILE
    if not (path / RESULT).exists() or not exists(file):
        return None
    return read_bytes(file).decode("utf-8", errors="backslashreplace")


def load_result(path: Path) -> StudyResult | None:
    """Return the result that `save_result` wrote, or None if the study is unfinished.

    Raises:
        InputError: a file is damaged.
    """
    figures = read_result(path)
    if figures is None:
        return None
    vectors = {name: read_candidate(path, name) for name in VECTORS}
    where = str(path / RESULT)
    try:
        held_out = parse(HeldOut, figures["held_out"], where=where) if figures["held_out"] else None
        accounts = {name: parse(Spent, figures[name], where=where) for name in ("spent", "validation")}
        warnings = {"warnings": tuple(figures.get("warnings", ()))}
        return StudyResult(**{**figures, "held_out": held_out, **accounts, **vectors, **warnings})
    except (KeyError, TypeError) as error:
        raise InputError(f"{where} is damaged: {error}") from error


def discard_result(path: Path) -> None:
    """Delete the result of a study that goes on or starts over.

    Raises:
        StudyError: a file cannot be deleted.
    """
    with writing(path):
        for name in (RESULT, CHOICES, TEXT_FILE):
            (path / name).unlink(missing_ok=True)


def read_result(path: Path) -> dict[str, Any] | None:
    """Return the figures of the finished study in `path`, or None if it is unfinished."""
    return read_json(path / RESULT, missing="") if (path / RESULT).exists() else None


def read_candidate(path: Path, which: str = "chosen") -> Vector:
    """Return the candidate (d,) "best", "recommended" or "chosen" of the finished study in `path`.

    Raises:
        InputError: the study is not finished, or its file is damaged.
    """
    file = path / CHOICES
    if not file.exists():
        raise InputError(f"the study in {path} is not finished; run its command again")
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            candidate = np.asarray(arrays[which], dtype=np.float64)
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds of errors for a damaged file
        raise InputError(f"{file} is damaged: {one_line(error)}") from error
    if candidate.ndim != 1 or not np.isfinite(candidate).all():
        raise InputError(f"{file} is damaged: {which!r} is no candidate")
    return candidate
