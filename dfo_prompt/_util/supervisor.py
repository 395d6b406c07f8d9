"""Runs the program under a small supervising process that survives the program's crashes.

The supervisor starts the same command again, waits, and exits with its status. If the program ends before it reports that
it is done (os._exit() in a plugin, a crash in C, no memory), or exceeds a time limit that it has set, the supervisor prints
one line about it. It imports only the standard library, and forwards signals.
"""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from time import monotonic

from dfo_prompt._util.parents import end_with

VARIABLE = "DFO_PROMPT_SUPERVISOR"
"""The environment variable with the pipe and the process id of the supervisor."""
FAILED, INTERRUPTED = 2, 130
GOES_ON = "the same command goes on from here"
TICK_SECONDS = 1.0
"""The period of the countdown of limits. A pass counts at most two ticks, to ignore time while suspended."""


class Supervisor:
    """The program's connection to its supervisor."""

    def __init__(self, pipe: int) -> None:
        os.set_inheritable(pipe, False)
        self._pipe = pipe

    @classmethod
    def of_this_process(cls) -> "Supervisor | None":
        """Return the supervisor that started this process, if any, and end this process when the supervisor ends."""
        address = os.environ.pop(VARIABLE, "")
        if not address:
            return None
        pipe, _, parent = address.partition(" ")
        end_with(int(parent))
        return cls(int(pipe))

    def limit(self, name: str, seconds: float | None, message: str) -> None:
        """End the program with `message` after `seconds`, replacing the limit `name`; None removes it."""
        self._send({"limit": name, "seconds": seconds, "message": message})

    def done(self, status: int) -> None:
        """Report that the program is done and will exit with `status`."""
        self._send({"status": status})

    def _send(self, message: dict[str, object]) -> None:
        os.write(self._pipe, json.dumps(message).encode() + b"\n")  # atomic: shorter than PIPE_BUF


def can_supervise() -> bool:
    """Tell whether a child process can inherit a pipe and blocked signals on this system."""
    return os.name == "posix" and bool(sys.executable)


def supervise() -> int:
    """Run this program again under supervision; return the exit status."""
    _open_standard_streams()
    ours, theirs = os.pipe()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Block Ctrl-C until the program is ready: an interrupt during imports would print a traceback.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    environment = {**os.environ, VARIABLE: f"{theirs} {os.getpid()}"}
    child = subprocess.Popen([sys.executable, *sys.orig_argv[1:]], pass_fds=(theirs,), env=environment)  # noqa: S603
    os.close(theirs)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, lambda number, _: child.send_signal(number))
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        return _Watch(child, ours, woken).status()
    finally:
        signal.set_wakeup_fd(-1)


class _Watch:
    """Waits for messages of the program, for its end, or for a limit that it has set."""

    def __init__(self, child: subprocess.Popen[bytes], pipe: int, woken: int) -> None:
        self._child, self._pipe, self._woken = child, pipe, woken
        self._open = [pipe, woken]
        self._received = b""
        self._limits: dict[str, tuple[float, str]] = {}
        self._status: int | None = None

    def status(self) -> int:
        """Wait, and return the status to exit with."""
        while self._child.poll() is None:
            self._wait()
            if self._limits and (first := min(self._limits.values()))[0] <= 0:
                self._child.kill()
                self._child.wait()
                return _fail(first[1], FAILED)
        self._take()
        return _ended(self._child.returncode) if self._status is None else self._status

    def _wait(self) -> None:
        began = monotonic()
        timeout = min([TICK_SECONDS, *(left for left, _ in self._limits.values())]) if self._limits else None
        ready = select.select(self._open, [], [], timeout)[0]
        passed = min(monotonic() - began, 2 * TICK_SECONDS)
        self._limits = {name: (left - passed, message) for name, (left, message) in self._limits.items()}
        if self._woken in ready:
            os.read(self._woken, 4096)
        if self._pipe in ready:
            self._take()

    def _take(self) -> None:
        while self._pipe in self._open and select.select([self._pipe], [], [], 0)[0]:
            data = os.read(self._pipe, 65536)
            if not data:
                self._open.remove(self._pipe)
            *lines, self._received = (self._received + data).split(b"\n")
            for line in lines:
                self._apply(**json.loads(line))

    def _apply(self, *, limit: str = "", seconds: float | None = None, message: str = "", status: int | None = None) -> None:
        self._status = status
        self._limits.pop(limit, None)
        if status is not None:
            self._limits.clear()
        elif seconds is not None:
            self._limits[limit] = (seconds, message)


def _ended(status: int) -> int:
    if status >= 0:
        return _fail(f"code of a plugin or a library ended the program with exit status {status}", FAILED)
    number = signal.Signals(-status)
    if number is signal.SIGINT:
        return _say(f"interrupted; {GOES_ON}", INTERRUPTED)
    requested = number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE)
    memory = " (of a kernel without memory, as a rule)" if number is signal.SIGKILL else ""
    return _fail(f"the program was ended by {number.name}{memory}; {GOES_ON}", 128 + number if requested else FAILED)


def _fail(message: str, status: int) -> int:
    return _say(f"error: {message}", status)


def _say(message: str, status: int) -> int:
    cursor = "\x1b[?25h\n" if os.isatty(2) else ""  # show the cursor, which a live bar hides
    with suppress(OSError):
        os.write(2, f"{cursor}{message}\n".encode(errors="backslashreplace"))
    return status


def _open_standard_streams() -> None:
    # Otherwise a file that the program opens could get the descriptor of standard output.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            os.set_inheritable(number, True)
