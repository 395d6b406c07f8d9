"""Isolates third-party code: redirects its standard output, and restores the working directory and warning filters."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from threading import RLock
from typing import TextIO, cast
from warnings import catch_warnings

STDOUT, STDERR = 1, 2

GLOBAL_STATE = RLock()
"""The lock for exchanging state of the process; two threads at once would restore each other's streams or filters."""


@contextmanager
def contained() -> Iterator[list[str]]:
    """Redirect standard output to standard error inside a `with` block, and restore working directory and warning filters.

    Standard output is reserved for results such as JSON. Yield a list of remarks on side effects of the code inside, which
    is complete at the end of the block.
    """
    remarks: list[str] = []
    with GLOBAL_STATE:
        folder, printed = _working_directory(), _StandardError()
        try:
            with catch_warnings(), _descriptor_redirected(), redirect_stdout(cast("TextIO", printed)):
                yield remarks
        finally:
            if printed.used:
                remarks.append("prints at import")
            if folder and _working_directory() != folder:
                remarks.append("changes the working directory at import")
                os.chdir(folder)


class _StandardError:
    """A text stream that forwards to standard error, and records whether anything was written."""

    def __init__(self) -> None:
        self.used = False

    def write(self, text: str) -> int:
        self.used = self.used or bool(text)
        return sys.stderr.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(sys.stderr, name)


@contextmanager
def _descriptor_redirected() -> Iterator[None]:
    """Redirect the file descriptor as well, which C libraries and child processes write to."""
    try:
        sys.stdout.flush()
        kept = os.dup(STDOUT)
    except (OSError, ValueError, AttributeError):  # standard output is closed or missing
        yield
        return
    try:
        with suppress(OSError):
            os.dup2(STDERR, STDOUT)
        yield
    finally:
        os.dup2(kept, STDOUT)
        os.close(kept)


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""
