"""How much memory something takes, measured."""

import ctypes
import gc
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PROCESS = Path("/proc/self")
RESET_PEAK = "5"
"""What `clear_refs` of Linux takes to forget the peak so far (proc(5))."""


def allocated_by(call: Callable[[], object]) -> int:
    """Return the peak of the bytes that Python and NumPy newly allocate during `call`."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def forget_peak() -> None:
    """Let `peak_resident` begin anew, from what is still in use: what is not goes back to the system first."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # of the GNU C library
        trim(0)
    with suppress(OSError):  # not Linux, or a container that lets nobody write there
        (PROCESS / "clear_refs").write_text(RESET_PEAK)


def peak_resident() -> int | None:
    """Return the bytes of main memory that this process held at most, or None where the system does not say (not Linux)."""
    status = PROCESS / "status"
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
