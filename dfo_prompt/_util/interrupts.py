"""Ctrl-C: taken once, and not before the program is ready for it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

AGAIN_SECONDS = 1.0
"""A second interrupt within them is the same one, which reached the process by two ways."""


@contextmanager
def interruptible() -> Iterator[list[float]]:
    """Raise KeyboardInterrupt on SIGINT, inside a `with` block, once: cleaning up is not interrupted in its turn.

    Unblocks SIGINT, which the supervisor keeps back until now. It stays ignored where it was, as in a shell's background;
    threads other than the main one change nothing. Yields the times of the interrupts so far: a library that was just being
    imported may have made another error of one.
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
