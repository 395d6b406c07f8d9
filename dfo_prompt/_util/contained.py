"""Keeps code of others from standard output and from the working directory while it is imported."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from threading import RLock
from typing import TextIO, cast
from warnings import catch_warnings

STDOUT, STDERR = 1, 2

_lock = RLock()
"""One thread at a time: with two, the second would put back what the first has put in place."""


@contextmanager
def contained() -> Iterator[list[str]]:
    """Send what is printed inside a `with` block to standard error; restore folder and warning filters at its end.

    Standard output holds results, JSON for instance. The list is complete when the block has ended: it says what the code
    inside did besides.
    """
    remarks: list[str] = []
    with _lock:
        there, printed = _working_directory(), _Elsewhere()
        try:
            with catch_warnings(), _descriptor_redirected(), redirect_stdout(cast("TextIO", printed)):
                yield remarks
        finally:
            if printed.used:
                remarks.append("prints at import")
            if there and _working_directory() != there:
                remarks.append("changes the working directory at import")
                os.chdir(there)


class _Elsewhere:
    """A text stream that hands everything on to standard error, and knows whether anything was written."""

    def __init__(self) -> None:
        self.used = False

    def write(self, text: str) -> int:
        self.used = self.used or bool(text)
        return sys.stderr.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(sys.stderr, name)


@contextmanager
def _descriptor_redirected() -> Iterator[None]:
    """Redirect the file descriptor too, which C libraries and child processes write to."""
    try:
        sys.stdout.flush()
        kept = os.dup(STDOUT)
    except (OSError, ValueError, AttributeError):  # closed, or there is none
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
