"""The processor time of a process, and of those that it started, is a sign of life."""

import os
import signal
import subprocess
import sys

import pytest

from dfo_prompt.suite import pulse
from dfo_prompt.suite.pulse import Pulse

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the processes are shells")


@pytest.fixture
def shell(monkeypatch):
    monkeypatch.setattr(pulse, "LOOK_SECONDS", 0.0)
    started = []

    def start(script):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        started.append(subprocess.Popen(["sh", "-c", f"echo begun; {script}; :"], start_new_session=True, **pipes))
        assert started[-1].stdout.readline() == b"begun\n"
        return started[-1]

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()


def settled(process):
    """Returns the pulse of a process, after the processor time of its start."""
    found = Pulse(process.pid)
    silent = 0
    while silent < 50:
        silent = 0 if found.beats() else silent + 1
    return found


def test_a_process_that_waits_has_no_pulse(shell):
    assert not settled(shell("read line")).beats()


@pytest.mark.parametrize(
    "work", ["read line; while :; do :; done", "exec 3<&0; (read line <&3; while :; do :; done) & wait"]
)
def test_a_process_that_computes_has_one_and_so_has_its_child(shell, work):
    process = shell(work)
    found = settled(process)
    process.stdin.write(b"go\n")
    process.stdin.flush()
    while not found.beats():  # the limit of the test ends this
        assert process.poll() is None


def test_looks_are_seldom(shell, monkeypatch):
    monkeypatch.setattr(pulse, "LOOK_SECONDS", 60.0)
    assert not Pulse(shell("read line").pid).beats()


def test_a_process_that_has_ended_has_none(monkeypatch):
    monkeypatch.setattr(pulse, "LOOK_SECONDS", 0.0)
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert not Pulse(process.pid).beats()
