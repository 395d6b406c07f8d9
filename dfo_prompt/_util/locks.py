"""Locks folders against other processes, and checks lock files without acquiring them."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from dfo_prompt._util.durable import NO_LINKS, writing
from dfo_prompt.errors import StudyError

try:
    from fcntl import LOCK_NB, LOCK_SH, flock
except ImportError:  # Windows
    flock = None  # type: ignore[assignment]

PROBE_SECONDS = 0.2
"""How long to wait for a lock that `is_held` may be probing, which takes microseconds."""


@contextmanager
def locked_folder(folder: Path, lock: str, *, purpose: str, seconds: float = PROBE_SECONDS) -> Iterator[None]:
    """Create `folder` if needed, and hold the lock file `lock` in it.

    Wait up to `seconds` for a lock held by another process. `purpose` says in the error what that process runs: "study",
    "suite".

    Raises:
        StudyError: the folder cannot be written, or another process holds the lock.
    """
    with ExitStack() as stack:
        with writing(folder):  # an OSError of the caller stays what it is
            folder.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(FileLock(folder / lock, timeout=seconds))
            except Timeout as error:
                raise StudyError(f"another process is running the {purpose} in {folder}") from error
        yield


def is_held(path: Path) -> bool:
    """Tell whether a process holds the lock file `path`, without writing; False if the system cannot tell."""
    if flock is None:
        return False
    with suppress(OSError):  # no such file
        file = os.open(path, os.O_RDONLY | NO_LINKS)
        try:
            flock(file, LOCK_SH | LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
    return False
