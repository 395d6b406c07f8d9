"""A study folder: manifest, journals, candidates and result, and the lock that keeps a second process out."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from filelock import FileLock, Timeout

from dfo_prompt._util.json_files import read_json, replacing, write_json
from dfo_prompt._util.paths import beside, relative_to, without_folders
from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.study.ledger import FILES, Spent
from dfo_prompt.study.result import HeldOut, StudyResult
from dfo_prompt.types import Json, Vector

IDENTITY = ("config", "objective")
MEASURED = ("dtype_spearman",)
"""Facts of an objective that were measured, and may be a little different the next time."""
PLACES = ("device", "dtype")
"""Facts of an objective that change its figures a little, and not what a candidate means."""
VECTORS = ("best", "recommended", "chosen")


@contextmanager
def study_folder(path: Path, manifest: Mapping[str, Any], *, lock_seconds: float = 0.0) -> Iterator[Path]:
    """Create or reopen the folder of the study that `manifest` describes, locked against other processes.

    A process that holds the lock is waited for `lock_seconds`.

    Raises:
        InputError: the folder holds something else, or another study; the difference is named.
        StudyError: it cannot be written, or another process is running this study.
    """
    with ExitStack() as stack:
        with _writing(path):
            path.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(FileLock(path / ".lock", timeout=lock_seconds))
            except Timeout as error:
                raise StudyError(f"another process is running the study in {path}") from error
            _claim(path, manifest)
        yield path


def check_config(path: Path, config: Mapping[str, Json]) -> None:
    """Refuse a folder that holds a study of another configuration; one without a manifest holds none yet.

    Raises:
        InputError: the difference is named.
    """
    if (path / "manifest.json").exists():
        _check_same(path, read_manifest(path), {"config": config})


def check_objective(path: Path, about: Mapping[str, Json]) -> None:
    """Refuse to take candidates of the study in `path` for another objective; device and precision may be others.

    Raises:
        InputError: the difference is named.
    """
    there = read_manifest(path)["objective"]
    here = {key: there[key] if key in PLACES else about.get(key) for key in there}
    _check_same(path, {"objective": there}, {"objective": here}, remedy="its candidates mean nothing here")


def save_result(path: Path, result: StudyResult) -> None:
    """Write the vectors and the figures of a finished study.

    Raises:
        StudyError: they cannot be written.
    """
    with _writing(path):
        with replacing(path / "candidates.npz") as file:
            np.savez(file, **{name: getattr(result, name) for name in VECTORS})
        write_json(path / "result.json", {name: value for name, value in asdict(result).items() if name not in VECTORS})


def load_result(path: Path) -> StudyResult | None:
    """Return what `save_result` wrote, or None while the study is unfinished.

    Raises:
        InputError: a file is damaged.
    """
    figures = read_result(path)
    if figures is None:
        return None
    vectors = {name: read_candidate(path, name) for name in VECTORS}
    try:
        held_out = HeldOut(**figures["held_out"]) if figures["held_out"] else None
        accounts = {name: Spent(**figures[name]) for name in ("spent", "validation")}
        return StudyResult(**{**figures, "held_out": held_out, **accounts, **vectors})
    except (KeyError, TypeError) as error:
        raise InputError(f"{path / 'result.json'} is damaged: {error}") from error


def start_over(path: Path) -> None:
    """Forget the queries of a study whose optimizer cannot be led through a journal."""
    with _writing(path):
        for name in (*FILES.values(), "result.json", "candidates.npz"):
            (path / name).unlink(missing_ok=True)


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of the study in `path`.

    Raises:
        InputError: there is none, or it is damaged.
    """
    found = read_json(path / "manifest.json", missing=f"{path} is not a study folder: it has no manifest.json")
    if missing := [part for part in IDENTITY if not isinstance(found.get(part), dict)]:
        raise InputError(f"{path / 'manifest.json'} is damaged: it has no {missing[0]}")
    return {**found, "config": relative_to(path, found["config"])}


def read_result(path: Path) -> dict[str, Any] | None:
    """Return the figures of the finished study in `path`, or None while it is unfinished."""
    return read_json(path / "result.json", missing="") if (path / "result.json").exists() else None


def read_candidate(path: Path, which: str = "chosen") -> Vector:
    """Return the candidate (d,) "best", "recommended" or "chosen" of the finished study in `path`.

    Raises:
        InputError: the study is not finished, or its file is damaged.
    """
    file = path / "candidates.npz"
    if not file.exists():
        raise InputError(f"the study in {path} is not finished; run its command again")
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            return np.asarray(arrays[which], dtype=np.float64)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"{file} is damaged: {error}") from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StudyError(f"cannot write {path}: {error.strerror or error}") from error


def _claim(path: Path, manifest: Mapping[str, Any]) -> None:
    if (path / "manifest.json").exists():
        _check_same(path, read_manifest(path), manifest)
    elif any(entry.name not in (".lock", "manifest.json.part") for entry in path.iterdir()):
        raise InputError(f"{path} is not empty and not a study folder; choose another with --out")
    else:
        write_json(path / "manifest.json", {**manifest, "config": beside(path, manifest["config"])})


def _check_same(
    path: Path, there: Mapping[str, Any], here: Mapping[str, Any], *, remedy: str = "choose another --out"
) -> None:
    for part in [part for part in IDENTITY if part in here]:
        old, new = (without_folders(one.get(part, {})) for one in (there, json.loads(json.dumps(here))))
        for key in sorted({*old, *new} - {*MEASURED}):
            # As texts NaN is the same as NaN, and tables are the same whatever the order of their keys.
            if json.dumps(old.get(key), sort_keys=True) != json.dumps(new.get(key), sort_keys=True):
                difference = f"{key} is {old.get(key)!r} there and {new.get(key)!r} here"
                raise InputError(f"{path} holds another study: {difference}; {remedy}")
