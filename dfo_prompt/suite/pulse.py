"""Tells whether a silent worker process still works, on a query or a fit that takes long."""

from contextlib import suppress
from time import monotonic
from typing import Any

import psutil

LOOK_SECONDS = 1.0
"""The shortest time between two looks at a process."""


class Pulse:
    """Watches the processor time of a process and of the processes that it started.

    Args:
        process_id: id of the process.
    """

    def __init__(self, process_id: int) -> None:
        self._id = process_id
        self._looked = monotonic()
        self._own: Any = None
        self._children: dict[int, Any] = {}

    def beats(self) -> bool:
        """Tell whether processor time was used, or a child ended, since the last look; False less than a second after it."""
        if monotonic() - self._looked < LOOK_SECONDS:
            return False
        self._looked = monotonic()
        with suppress(psutil.Error):  # the process has ended, which its pipe reports
            process = psutil.Process(self._id)
            own, self._own = self._own, process.cpu_times()
            if own != self._own:
                return True  # without a look at all processes of the machine for its children
            children, self._children = self._children, _times_of_children(process)
            return children != self._children
        return False


def _times_of_children(process: psutil.Process) -> dict[int, Any]:
    times = {}
    for child in process.children(recursive=True):
        with suppress(psutil.Error):  # it has ended meanwhile
            times[child.pid] = child.cpu_times()
    return times
