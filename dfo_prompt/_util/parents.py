"""Ends a process together with the process that started it."""

import ctypes
import os
import signal
import sys
import threading
from time import sleep

PR_SET_PDEATHSIG = 1
"""Option of prctl(2): the signal that the kernel sends to a process when its parent ends."""


def end_with(parent: int) -> None:
    """End this process as soon as the process `parent` that started it ends, however that ends.

    On Linux the kernel does it, so that code which holds the interpreter lock ends too; elsewhere a thread watches.
    """
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) == 0:
        if os.getppid() != parent:  # it ended before the kernel was asked
            os._exit(1)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        sleep(0.2)
    os._exit(1)
