"""A study folder: claimed for the study of a manifest, and locked against other processes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

from dfo_prompt._util.durable import sync_folder, writing
from dfo_prompt._util.json_files import write_json
from dfo_prompt._util.locks import PROBE_SECONDS, locked_folder
from dfo_prompt.config.paths import portable
from dfo_prompt.errors import InputError
from dfo_prompt.study.identity import CODE, MANIFEST, check_parts, is_study, read_manifest
from dfo_prompt.study.ledger import LOCK
from dfo_prompt.study.records import ANSWERS, CANDIDATES, FILES, OUTPUTS, read_records
from dfo_prompt.study.saved import discard_result


@contextmanager
def study_folder(
    path: Path | None,
    manifest: Mapping[str, Any],
    *,
    lock_seconds: float = PROBE_SECONDS,
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
    with locked_folder(path, LOCK, purpose="study", seconds=lock_seconds):
        with writing(path):
            ahead(path)
            _claim(path, manifest)
        yield path


def start_over(path: Path) -> None:
    """Delete the queries of a study whose optimizer cannot be replayed."""
    discard_result(path)
    with writing(path):
        for name in (*FILES.values(), *CANDIDATES.values(), OUTPUTS):
            (path / name).unlink(missing_ok=True)


def _claim(path: Path, manifest: Mapping[str, Any]) -> None:
    if is_study(path) and not _is_torn(path):
        stored = read_manifest(path)
        # Code that has not produced a loss yet may be fixed: no figure depends on it.
        fixed = stored.get(CODE) != manifest.get(CODE) and all(record.loss is None for record in read_records(path))
        check_parts(path, {key: part for key, part in stored.items() if key != CODE or not fixed}, manifest)
        if fixed:
            rmtree(path / ANSWERS, ignore_errors=True)  # of the earlier code
            write_json(path / MANIFEST, {**stored, **portable(manifest, path)})
    elif not _is_bare(path):
        raise InputError(f"{path} is not empty and not a study folder; choose another with --out")
    else:
        write_json(path / MANIFEST, portable(manifest, path))
        for folder in (path, *path.parents):  # any of them may have just been created
            sync_folder(folder)


def _is_bare(path: Path) -> bool:
    """Tell whether the folder holds nothing but its lock and its manifest."""
    return all(entry.name in (LOCK, MANIFEST, f"{MANIFEST}.part") for entry in path.iterdir())


def _is_torn(path: Path) -> bool:
    """Tell whether the folder holds only an unreadable manifest, as after a power cut."""
    if not _is_bare(path):
        return False
    try:
        read_manifest(path)
    except InputError:
        return True
    return False
