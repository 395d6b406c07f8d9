"""Checks lock files without acquiring them."""

import os
from contextlib import suppress
from pathlib import Path

from dfo_prompt._util.durable import NO_LINKS

try:
    from fcntl import LOCK_NB, LOCK_SH, flock
except ImportError:  # Windows
    flock = None  # type: ignore[assignment]

PROBE_SECONDS = 0.2
"""How long to wait for a lock that `is_held` may be probing, which takes microseconds."""


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
