"""A study folder: manifest, journals, candidates and result, and the lock that excludes other processes."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from dfo_prompt._util.durable import replacing, sync_folder, writing
from dfo_prompt._util.json_files import read_json, write_json
from dfo_prompt._util.parsing import parse
from dfo_prompt._util.reading import exists, read_bytes
from dfo_prompt.config.endpoint import PRACTICAL
from dfo_prompt.config.paths import by_name, portable
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.spec import TEXT_FILE
from dfo_prompt.errors import InputError, StudyError, one_line
from dfo_prompt.study.costs import Spent
from dfo_prompt.study.ledger import LOCK
from dfo_prompt.study.records import CANDIDATES, FILES, OUTPUTS, read_records
from dfo_prompt.study.result import HeldOut, Result, StudyResult
from dfo_prompt.types import Json, Vector

IDENTITY = ("config", "objective")
CODE = "code"
"""A further part of the identity; manifests of earlier versions lack it."""
LONGEST_VALUE = 60
"""The most characters of a value in an error."""
MEASURED = ("dtype_spearman", "engine", "rows", "endpoint_probe")
"""Metadata of an objective that may vary between runs and is not compared; the rows themselves have a fingerprint."""
PLACES = ("device", "dtype")
"""Metadata of an objective that affects its losses slightly, but not the meaning of a candidate."""
VECTORS = ("best", "recommended", "chosen")


@contextmanager
def study_folder(
    path: Path | None,
    manifest: Mapping[str, Any],
    *,
    lock_seconds: float = 0.0,
    ahead: Callable[[Path], None] = lambda _: None,
) -> Iterator[Path | None]:
    """Create or reopen the folder of the study that `manifest` describes, and lock it.

    Wait up to `lock_seconds` for a lock held by another process. Call `ahead` once the folder is locked, before its manifest
    is compared. Without a path do nothing.

    Raises:
        InputError: the folder holds another study, or something else; the message names the difference.
        StudyError: the folder cannot be written, or another process is running this study.
    """
    if path is None:
        yield None
        return
    with ExitStack() as stack:
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(FileLock(path / LOCK, timeout=lock_seconds))
            except Timeout as error:
                raise StudyError(f"another process is running the study in {path}") from error
            ahead(path)
            _claim(path, manifest)
        yield path


def check_config(path: Path, config: Mapping[str, Json]) -> None:
    """Refuse a folder that holds a study with another configuration; a folder without a manifest passes.

    Raises:
        InputError: the configurations differ; the message names the difference.
    """
    if (path / "manifest.json").exists():
        check_parts(path, read_manifest(path), {"config": config})


def check_objective(path: Path, about: Mapping[str, Json]) -> None:
    """Refuse to use candidates of the study in `path` with another objective; device and precision may differ.

    Raises:
        InputError: the objectives differ; the message names the difference.
    """
    stored = read_manifest(path)["objective"]
    current = {key: stored[key] if key in PLACES else about.get(key) for key in stored}
    check_parts(path, {"objective": stored}, {"objective": current}, remedy="its candidates mean nothing here")


def save_result(path: Path, result: Result) -> None:
    """Write the figures of a finished study or other method, and the candidates of a study.

    Raises:
        StudyError: a file cannot be written.
    """
    with writing(path):
        if isinstance(result, StudyResult):
            with replacing(path / "candidates.npz") as file:
                np.savez(file, **{name: getattr(result, name) for name in VECTORS})
        write_json(path / "result.json", {name: value for name, value in asdict(result).items() if name not in VECTORS})


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
    if not (path / "result.json").exists() or not exists(file):
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
    where = str(path / "result.json")
    try:
        held_out = parse(HeldOut, figures["held_out"], where=where) if figures["held_out"] else None
        accounts = {name: parse(Spent, figures[name], where=where) for name in ("spent", "validation")}
        warnings = {"warnings": tuple(figures.get("warnings", ()))}
        return StudyResult(**{**figures, "held_out": held_out, **accounts, **vectors, **warnings})
    except (KeyError, TypeError) as error:
        raise InputError(f"{where} is damaged: {error}") from error


def start_over(path: Path) -> None:
    """Delete the queries of a study whose optimizer cannot be replayed."""
    with writing(path):
        for name in (*FILES.values(), *CANDIDATES.values(), OUTPUTS, "result.json", "candidates.npz", TEXT_FILE):
            (path / name).unlink(missing_ok=True)


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of the study in `path`.

    Raises:
        InputError: the manifest is missing or damaged.
    """
    manifest = read_json(path / "manifest.json", missing=f"{path} is not a study folder: it has no manifest.json")
    for part in (*IDENTITY, CODE):
        if not isinstance(manifest.get(part, {} if part == CODE else None), dict):
            raise InputError(f"{path / 'manifest.json'} is damaged: it has no {part}")
    return manifest


def read_result(path: Path) -> dict[str, Any] | None:
    """Return the figures of the finished study in `path`, or None if it is unfinished."""
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
            candidate = np.asarray(arrays[which], dtype=np.float64)
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds of errors for a damaged file
        raise InputError(f"{file} is damaged: {one_line(error)}") from error
    if candidate.ndim != 1 or not np.isfinite(candidate).all():
        raise InputError(f"{file} is damaged: {which!r} is no candidate")
    return candidate


def _claim(path: Path, manifest: Mapping[str, Any]) -> None:
    if (path / "manifest.json").exists() and not _is_torn(path):
        stored = read_manifest(path)
        # Code that has not produced a loss yet may be fixed: no figure depends on it.
        fixed = stored.get(CODE) != manifest.get(CODE) and all(record.loss is None for record in read_records(path))
        check_parts(path, {key: part for key, part in stored.items() if key != CODE or not fixed}, manifest)
        if fixed:
            write_json(path / "manifest.json", portable(manifest, path))
    elif any(entry.name not in (LOCK, "manifest.json", "manifest.json.part") for entry in path.iterdir()):
        raise InputError(f"{path} is not empty and not a study folder; choose another with --out")
    else:
        write_json(path / "manifest.json", portable(manifest, path))
        for folder in (path, *path.parents):  # any of them may have just been created
            sync_folder(folder)


def _is_torn(path: Path) -> bool:
    """Tell whether the folder holds only an unreadable manifest, as after a power cut."""
    if any(entry.name not in (LOCK, "manifest.json", "manifest.json.part") for entry in path.iterdir()):
        return False
    try:
        read_manifest(path)
    except InputError:
        return True
    return False


def check_parts(
    path: Path, stored: Mapping[str, Any], current: Mapping[str, Any], *, remedy: str = "choose another --out"
) -> None:
    """Refuse a manifest `current` that describes another study than `stored`, comparing only the parts in `current`.

    Raises:
        InputError: the manifests differ; the message names the first different key.
    """
    for part in [part for part in (*IDENTITY, CODE) if part in current and (part in stored or part != CODE)]:
        if stored.get(part) == current[part]:
            continue
        old, new = (_lasting(by_name(manifest.get(part, {}))) for manifest in (stored, json.loads(json.dumps(current))))
        if part == "config":
            old = dict(_filled(old, new, StudyConfig().as_dict()))
        for key in sorted({*old, *new} - {*MEASURED}):
            # As sorted JSON, NaN equals NaN, and tables are equal whatever the order of their keys.
            if json.dumps(old.get(key), sort_keys=True) != json.dumps(new.get(key), sort_keys=True):
                difference = f"{key} is {_short(old.get(key))} there and {_short(new.get(key))} here"
                way = remedy if part != CODE else f"go back to that, or --start-from {path} with another --out"
                raise InputError(f"{path} holds another study: {difference}; {way}")


def _lasting(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of a manifest without the endpoint keys that do not affect results."""
    endpoint = part.get("endpoint")
    if not isinstance(endpoint, Mapping):
        return dict(part)
    return {**part, "endpoint": {key: value for key, value in endpoint.items() if key not in PRACTICAL}}


def _filled(old: Mapping[str, Any], new: Mapping[str, Any], defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `old` with the keys that its version did not have yet, if `new` leaves them at their defaults."""
    added = {key: value for key, value in new.items() if key not in old and key in defaults and value == defaults[key]}
    tables = {key for key in old if all(isinstance(table.get(key), Mapping) for table in (old, new, defaults))}
    return {**old, **added, **{key: _filled(old[key], new[key], defaults[key]) for key in tables}}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
