"""Files that survive kills, power cuts, full disks and interference by other programs.

Writes are complete or undone, and are flushed to the disk on request (fsync). Links are not followed when writing.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import IO

from dfo_prompt.errors import StudyError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
BINARY, NO_LINKS = getattr(os, "O_BINARY", 0), getattr(os, "O_NOFOLLOW", 0)  # Windows has only the first, others the second


class OwnFile:
    """A file, possibly not existing yet, that only this process writes.

    Before every write its inode, owner and size are compared with those after the last write.

    Attributes:
        size: size in bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = self._look()
        self.size = self._seen[-1] if self._seen else 0
        self._dirty = False

    def read(self, at: int = 0, count: int = -1) -> bytes:
        """Return up to `count` bytes from offset `at`; by default all to the end."""
        if self._seen is None:
            return b""
        with self.path.open("rb") as file:
            file.seek(at)
            return file.read(count)

    def write(self, at: int, data: bytes, *, drop_rest: bool = True) -> None:
        """Write `data` at offset `at`, and truncate the file after it unless `drop_rest` is False.

        Raises:
            StudyError: the file cannot be written, and keeps its content before `at`; or another program has changed it.
        """
        with writing(self.path), self._opened() as file:
            self._dirty = True
            try:
                if drop_rest and self.size > at:
                    os.ftruncate(file, at)
                os.lseek(file, at, os.SEEK_SET)
                _write(file, data)
            except OSError:
                if drop_rest:
                    with suppress(OSError):
                        os.ftruncate(file, at)
                raise
            finally:
                self._remember(os.fstat(file))

    def check(self) -> None:
        """Check that no other program has touched the file.

        Raises:
            StudyError: another program has removed, replaced or changed it.
        """
        if self._seen is not None and self._look() != self._seen:
            raise self._touched()

    def sync(self) -> None:
        """Flush all writes since the last call to the disk.

        Raises:
            StudyError: the flush fails.
        """
        if not self._dirty:
            return
        with writing(self.path):
            file = os.open(self.path, os.O_RDWR | BINARY | NO_LINKS)
            try:
                os.fsync(file)
            finally:
                os.close(file)
        self._dirty = False

    @contextmanager
    def _opened(self) -> Iterator[int]:
        new = os.O_CREAT | os.O_EXCL if self._seen is None else 0
        try:
            file = os.open(self.path, os.O_RDWR | BINARY | NO_LINKS | new, 0o666)
        except (FileExistsError, FileNotFoundError) as error:
            if not self.path.parent.is_dir():
                raise
            raise self._touched() from error
        try:
            if self._seen is not None and _identity(os.fstat(file)) != self._seen:
                raise self._touched()
            yield file
        finally:
            os.close(file)

    def _look(self) -> tuple[int, ...] | None:
        try:
            return _identity(self.path.stat())
        except FileNotFoundError:
            return None

    def _remember(self, status: os.stat_result) -> None:
        self._seen, self.size = _identity(status), status.st_size

    def _touched(self) -> StudyError:
        return StudyError(
            f"{self.path} was removed, replaced or changed by another program; end that, and run the same command again"
        )


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that replaces `path` at the end; a kill or power cut leaves the old or the new file.

    A leftover at the temporary path is removed first, so that no link is followed.
    """
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY | NO_LINKS, 0o666), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    sync_folder(path.parent)


@contextmanager
def empty_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder at `path`, removed at the end; a leftover is removed first, without following a link."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        rmtree(path, ignore_errors=True)


@contextmanager
def moved_into(folder: Path) -> Iterator[Path]:
    """Yield an empty folder for a library that writes files its own way, and move its files into `folder` at the end.

    Only whole files arrive; what a kill leaves is removed by the next call.
    """
    with empty_folder(folder / ".part") as part:
        yield part
        for file in sorted(part.iterdir()):
            os.replace(file, folder / file.name)
    sync_folder(folder)


def sync_folder(path: Path) -> None:
    """Flush the entries of the folder `path` to the disk, if the system supports it."""
    with suppress(OSError):  # Windows cannot open folders, and some network disks cannot flush them
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Convert an OSError inside to a one-line StudyError that names `path`."""
    try:
        yield
    except OSError as error:
        advice = "; make room and run the same command again" if error.errno in FULL else ""
        raise StudyError(f"cannot write {path}: {error.strerror or error}{advice}") from error


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_uid, status.st_size


def _write(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
