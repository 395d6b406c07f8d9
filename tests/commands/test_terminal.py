"""The output on a terminal, through a pseudo-terminal of 80 and of 120 columns."""

import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
from dataclasses import fields
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import click
import pytest

from dfo_prompt.commands.run import command as run
from dfo_prompt.config.study import StudyConfig

pytestmark = pytest.mark.slow

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def captured(folder: Path, columns: int, *arguments: str) -> list[str]:
    """Return the lines that the program writes on a terminal so wide, each state of a live bar a line of its own."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")} | {"TERM": "xterm"}
    command = [sys.executable, "-m", "dfo_prompt", *arguments]
    process = subprocess.Popen(command, cwd=folder, stdout=theirs, stderr=theirs, stdin=theirs, env=environment)
    os.close(theirs)
    parts = []
    while process.poll() is None or select.select([ours], [], [], 0)[0]:
        try:
            parts.append(os.read(ours, 65536))
        except OSError:  # the other side is closed
            break
    process.wait()
    os.close(ours)
    assert process.returncode == 0, b"".join(parts)
    return re.split(r"[\r\n]+", ESCAPES.sub("", b"".join(parts).decode()))


@pytest.mark.parametrize("columns", [80, 120])
def test_a_study_says_what_it_does_how_far_it_is_and_what_comes_next(tmp_path, columns):
    lines = captured(tmp_path, columns, "run", "--objective", "rosenbrock", "--dim", "10", "--budget", "400", "--out", "s")
    assert lines[0] == "objective rosenbrock; d = 10; cma, 400 queries; seed 0; folder s"
    bars = [line for line in lines if "/400" in line]
    assert bars
    assert all(len(line) <= columns for line in bars)
    assert re.search(r"400/400 best [\d.e+]+  [\d.,]+ queries/s", bars[-1])
    assert any(line.startswith("next: dfo-prompt show s") for line in lines)


SUITE = """\
name = "little"
seeds = [1, 2]
threads = 1
optimizers = ["cma", "random", { name = "an entry whose name takes more room than it has", optimizer = "cma", sigma = 2.0 }]
[study]
objective = "sphere"
dim = 5
budget = 40
popsize = 4
"""


@pytest.mark.parametrize("columns", [80, 120])
def test_a_suite_ends_with_its_verdict_and_its_status_is_a_table(tmp_path, columns):
    (tmp_path / "suite.toml").write_text(SUITE)
    lines = captured(tmp_path, columns, "suite", "run", "suite.toml", "--out", "s")
    head = next(number for number, line in enumerate(lines) if line.split()[:2] == ["optimizer", "rank"])
    assert [line.split()[0] for line in lines[head + 1 : head + 4]][-1] == "random"
    said = " ".join(lines[head:])
    assert "On this problem (2 seeds), " in said
    assert "report dfo-prompt suite report s" in lines
    (tmp_path / "s/studies/sphere/cma/1/result.json").unlink()
    (tmp_path / "s/studies/sphere/random/2/result.json").unlink()
    (tmp_path / "s/errors.json").write_text(json.dumps({"sphere/random/2": f"RuntimeError: no luck{' at all' * 30}"}))
    lines = captured(tmp_path, columns, "suite", "status", "s")
    assert lines[0] == "little: 6 studies; 4 finished, 1 stopped, 1 failed"
    table = [line for line in lines if line.startswith("sphere / ")]
    assert len(table) == 3
    assert table[0].split()[2:7] == ["cma", "1", "1", "100", "%"]
    assert any(line.startswith("sphere/random/2: RuntimeError: no luck at all") for line in lines)
    assert all(len(line) <= columns for line in lines)


def test_help_shows_the_real_defaults():
    defaults = {field.name: field.default for field in fields(StudyConfig)}
    shown = {
        option.name: found[1]
        for option in run.params
        if isinstance(option, click.Option) and (found := re.search(r"\[default: (.*?)\]", option.help or ""))
    }
    assert len(shown) > 8
    assert shown.pop("validate_every") == "100; a tenth of a budget below 1,000"
    assert [StudyConfig(budget=budget).resolved().validate_every for budget in (8000, 300)] == [100, 30]
    for name, text in shown.items():
        if name in defaults:
            assert text in (f"{defaults[name]:g}" if isinstance(defaults[name], float) else str(defaults[name]), "none"), (
                name
            )


@pytest.mark.parametrize(
    ("begun", "name"),
    [
        ("run --optimizer cma:", "cma:sep"),
        ("run --task bbc", "bbc-headlines"),
        ("serve --preset bb", "bbt"),
        ("serve --objective sph", "sphere"),
        ("suite run --executor proc", "processes"),
        ("export --format pe", "peft"),
        ("list optimizers cma:", "cma:sep"),
    ],
)
def test_a_shell_completes_names(begun, name):
    place = str(len(begun.split()))
    words = {"_DFO_PROMPT_COMPLETE": "bash_complete", "COMP_WORDS": f"dfo-prompt {begun}", "COMP_CWORD": place}
    program = "import sys; sys.argv = ['dfo-prompt']; from dfo_prompt.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **words}, capture_output=True, text=True, check=False
    )
    assert f"plain,{name}" in done.stdout.splitlines()


@pytest.mark.parametrize("key", ["study.budget", "optimiser.active"])
def test_the_first_part_of_a_setting_is_checked_first(program, key):
    status, _, err = program("run", "--set", f"{key}=3")
    assert status == 2
    assert err.startswith(f"error: unknown first part of --set '{key.split('.')[0]}'; ")
