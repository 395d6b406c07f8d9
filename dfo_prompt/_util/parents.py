"""Ends a process when the process that started it ends."""

import ctypes
import os
import signal
import sys
import threading
from time import sleep

PR_SET_PDEATHSIG = 1
"""The option of prctl(2) that sets the signal sent to a process when its parent ends."""


def end_with(parent: int) -> None:
    """End this process as soon as its parent process ends for any reason.

    On Linux the kernel kills this process, even if code holds the interpreter lock; elsewhere a thread watches the parent.
    """
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) == 0:
        if os.getppid() != parent:  # the parent ended before the call of prctl
            os._exit(1)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        sleep(0.2)
    os._exit(1)
