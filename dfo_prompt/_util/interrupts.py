"""Handles Ctrl-C once, and only when the program is ready for it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

AGAIN_SECONDS = 1.0
"""A second interrupt within this time is a duplicate: the terminal and the supervisor both deliver the signal."""


@contextmanager
def interruptible() -> Iterator[list[float]]:
    """Raise KeyboardInterrupt on SIGINT inside a `with` block, ignoring duplicates so that cleaning up is not interrupted.

    Unblock SIGINT, which the supervisor has blocked so far. SIGINT stays ignored if it was, as in a shell's background, and
    nothing changes outside the main thread. Yield the times of the interrupts so far: a library may have converted the
    KeyboardInterrupt to another error.
    """
    interrupts: list[float] = []
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored or threading.current_thread() is not threading.main_thread():
        yield interrupts
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        again = bool(interrupts) and monotonic() - interrupts[-1] <= AGAIN_SECONDS
        interrupts.append(monotonic())
        if not again:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)
