"""Files that outlive what happens around them: kills, power cuts, full disks, other programs.

A file is written in whole pieces and flushed to the disk when asked (fsync). Links are not followed when writing.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from dfo_prompt.errors import StudyError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
BINARY, NO_LINKS = getattr(os, "O_BINARY", 0), getattr(os, "O_NOFOLLOW", 0)  # Windows has only the first, others the second


class OwnFile:
    """A file that only this process writes; it may not exist yet.

    Inode, owner and size are compared before every write with those of the last one.

    Attributes:
        size: bytes that it holds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = self._look()
        self.size = self._seen[-1] if self._seen else 0
        self._dirty = False

    def read(self, at: int = 0, count: int = -1) -> bytes:
        """Return `count` bytes from offset `at`, all to the end by default, or as many as there are."""
        if self._seen is None:
            return b""
        with self.path.open("rb") as file:
            file.seek(at)
            return file.read(count)

    def write(self, at: int, data: bytes, *, drop_rest: bool = True) -> None:
        """Write `data` at offset `at` and hand it to the operating system; the file then ends behind it.

        With `drop_rest` False, what follows is left as it is.

        Raises:
            StudyError: it cannot be written, and holds what it held before `at`; or another program has touched it.
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
        """Compare the file with what this process knows of it.

        Raises:
            StudyError: another program has removed, replaced or changed it.
        """
        if self._seen is not None and self._look() != self._seen:
            raise self._touched()

    def sync(self) -> None:
        """Flush what was written since the last call to the disk.

        Raises:
            StudyError: the disk refuses.
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
    """Open a file for writing that takes the place of `path` at the end: kills and power cuts leave the old or the new.

    What lies at the temporary path is removed first, so that no link there is followed.
    """
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY | NO_LINKS, 0o666), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Flush the names in the folder `path` to the disk, where the system can."""
    with suppress(OSError):  # Windows opens no folders, and some network disks flush none
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError inside into a StudyError of one line that names `path`."""
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
