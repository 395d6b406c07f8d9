"""Measures memory use."""

import ctypes
import gc
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PROCESS = Path("/proc/self")
RESET_PEAK = "5"
"""The value that resets the peak when written to `clear_refs` on Linux (proc(5))."""

TRACING = threading.RLock()
"""Held while `allocated_by` traces, because tracemalloc traces the whole process."""


def allocated_by(call: Callable[[], object]) -> int:
    """Return the peak of the bytes allocated by Python and NumPy during `call`.

    Only one call is measured at a time, but what other threads allocate meanwhile counts too. Tracing that the caller has
    started goes on; its peak is reset.
    """
    with TRACING:
        if tracemalloc.is_tracing():
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            call()
            return tracemalloc.get_traced_memory()[1] - before
        tracemalloc.start()
        try:
            call()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def forget_peak() -> None:
    """Reset the peak of `peak_resident`, after returning unused memory to the system."""
    gc.collect(1)  # the oldest generation holds every import: to collect it takes longer than many a study
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # only in the GNU C library
        trim(0)
    with suppress(OSError):  # not Linux, or a container in which the file is read-only
        (PROCESS / "clear_refs").write_text(RESET_PEAK)


def peak_resident() -> int | None:
    """Return the peak main memory of this process in bytes; None outside Linux."""
    status = PROCESS / "status"
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
