"""The program as a process ends with one line and the right status, whatever happens."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PLUGIN = """
import ctypes, os, pathlib, signal, sys
import dfo_prompt as dp

class Rough:
    dim = 3
    batches = 0

    def evaluate(self, candidates):
        Rough.batches += 1
        here = pathlib.Path("how")
        how = here.read_text() if here.exists() and Rough.batches > 4 else ""
        if how == "exits":
            sys.exit(0)
        if how == "ends the process":
            os._exit(0)
        if how == "crashes":
            os.kill(os.getpid(), signal.SIGSEGV)
        if how == "hangs":
            ctypes.PyDLL(None).sleep(600)  # and holds the interpreter
        return dp.Evaluation(losses=(candidates**2).sum(axis=1))

@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="rough", target="rough_plugin:build", summary="Rough.")]

def build(*, dim, seed):
    return Rough()
"""
ROUGH = ("--plugin", "rough_plugin.py", "run", "--objective", "rough", "--dim", "3", "--popsize", "4", "--budget", "40")
SPHERE = ("run", "--objective", "sphere", "--dim", "3", "--budget", "20", "--out", "s")
GOES_ON = "; the same command goes on from here\n"


@pytest.fixture
def start(tmp_path):
    """Starts the program in an empty folder, as a shell would."""
    (tmp_path / "rough_plugin.py").write_text(PLUGIN)

    def started(*arguments, **options):
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen([sys.executable, "-m", "dfo_prompt", *arguments], cwd=tmp_path, **streams)

    return started


@pytest.fixture
def run(start):
    """Runs the program; returns exit status, standard output and standard error."""

    def ran(*arguments, stdin=b"", **options):
        process = start(*arguments, stdin=subprocess.PIPE, **options)
        out, err = process.communicate(stdin)
        return process.returncode, (out or b"").decode(errors="replace"), (err or b"").decode(errors="replace")

    return ran


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The journal of the study that nothing breaks."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "rough_plugin.py").write_text(PLUGIN)
    subprocess.run([sys.executable, "-m", "dfo_prompt", *ROUGH, "--out", "s"], cwd=folder, check=True, capture_output=True)
    return (folder / "s/journal.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("how", "flags", "said"),
    [
        ("exits", (), "SystemExit: 0"),
        ("ends the process", (), "error: code of a plugin or a library ended the program with exit status 0\n"),
        ("crashes", (), "error: the program was ended by SIGSEGV" + GOES_ON),
        ("hangs", ("--batch-seconds", "4"), "error: the batch after query 16 took longer than 4 seconds" + GOES_ON),
        ("hangs", ("--study-seconds", "4"), "error: the study took longer than 4 seconds" + GOES_ON),
    ],
)
def test_a_study_that_ends_early_says_so_and_goes_on(run, tmp_path, whole, how, flags, said):
    (tmp_path / "how").write_text(how)
    status, out, err = run(*ROUGH, *flags, "--out", "it")
    assert (status, out) == (2, "")
    assert said.replace("SystemExit: 0", "") in err
    assert "SystemExit: 0" in err or "sys.exit(0)" in err or how != "exits"
    assert err.count("error: ") == 1
    (tmp_path / "how").unlink()
    assert run(*ROUGH, "--out", "it")[0] == 0
    assert (tmp_path / "it/journal.jsonl").read_bytes() == whole


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_closed_standard_streams_harm_nothing(run, tmp_path, closed):
    status, _, err = run(*SPHERE, preexec_fn=lambda: [os.close(number) for number in closed])
    assert (status, "Traceback" in err) == (0, False)
    assert (tmp_path / "s/result.json").exists()
    for file in (tmp_path / "s").glob("*.jsonl"):
        assert all(line.startswith("{") for line in file.read_text().splitlines())


def test_output_that_cannot_be_written_is_one_line(run):
    with open("/dev/full", "wb") as full:
        assert run("list", "tasks", stdout=full)[::2] == (2, "error: No space left on device\n")


@pytest.mark.parametrize("command", [("list", "tasks"), ("show", "s")])
def test_a_reader_that_has_had_enough_is_no_error(start, run, command):
    if "s" in command:
        run(*SPHERE)
    ours, theirs = os.pipe()
    os.close(ours)
    process = start(*command, stdout=theirs)
    os.close(theirs)
    assert (process.communicate()[1], process.returncode) == (b"", 141)


def test_ascii_streams_and_bytes_that_are_no_text(run, tmp_path):
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for arguments in (
        ("run", b"caf\xe9.toml"),
        ("show", "café"),
        ("run", "--objective", b"\xff"),
        ("predict", "s", b"\xff"),
    ):
        status, _, err = run(*arguments, env=ascii_only)
        assert (status, err.count("\n"), err[:7]) == (2, 1, "error: "), err
    status, out, err = run(*SPHERE[:-1], "é".encode("latin-1"), env=ascii_only)
    assert (status, "Traceback" in err) == (0, False)
    assert "\\udce9" in out


def test_interrupts_are_one_line_however_early(start):
    for _ in range(2):
        process = start("run", "--objective", "sphere", "--budget", "1000000", "--out", "s", start_new_session=True)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while sys.platform == "linux" and not children.read_text():  # until it supervises
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate()
        assert (process.returncode, out) == (130, b"")
        assert err.decode().splitlines()[-1] == "interrupted; the same command goes on from here"
        assert b"Traceback" not in err


def test_ending_the_supervisor_ends_the_program(start, tmp_path):
    process = start("run", "--objective", "sphere", "--budget", "1000000", "--out", "s")
    while not (tmp_path / "s/journal.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    assert process.communicate()[1].decode().endswith("ended by SIGTERM; the same command goes on from here\n")
    assert process.returncode == 128 + signal.SIGTERM


def test_a_fault_of_the_program_is_one_line_unless_asked(program, monkeypatch):
    monkeypatch.setattr("dfo_prompt.commands.show.summarize", lambda folder: 1 / 0)
    status, _, err = program("show", "s")
    assert status == 1
    assert err.startswith("error: unexpected ZeroDivisionError: division by zero; with DFO_PROMPT_TRACEBACK=1 ")
    assert err.count("\n") == 1
    monkeypatch.setenv("DFO_PROMPT_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        program("show", "s")


def test_limits_need_a_supervisor(program):
    status, _, err = program(*SPHERE, "--batch-seconds", "1")
    assert (status, "limits of time need a supervising process" in err) == (2, True)
