"""Calls from Python show progress only on terminals and in notebooks, and write none to a journal."""

import io

import numpy as np
import pytest

import dfo_prompt as dp
from dfo_prompt.api.progress import LastLine, _console


def bowl(z):
    return (z**2).sum()


CALLS = {
    "minimize": lambda **how: dp.minimize(bowl, dim=3, budget=60, popsize=5, x0=np.ones(3), **how),
    "compare": lambda **how: dp.compare(["cma", "random"], bowl, dim=3, budget=60, popsize=5, seeds=1, **how),
}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("call", CALLS)
def test_scripts_without_a_terminal_stay_silent(call, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    CALLS[call]()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("call", CALLS)
def test_lines_on_request(call, capsys):
    CALLS[call](progress=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == {"minimize": 10, "compare": 2}[call]


@pytest.mark.parametrize("call", CALLS)
def test_terminals_have_a_bar_unless_it_is_turned_off(call, monkeypatch):
    monkeypatch.setattr("sys.stderr", screen := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    CALLS[call](progress=False)
    assert screen.getvalue() == ""
    CALLS[call]()
    assert "━" in screen.getvalue()
    assert screen.getvalue().endswith(("\x1b[?25h", "\x1b[2K", "\n"))


@pytest.mark.parametrize("call", CALLS)
def test_journals_are_the_same_with_and_without(call, tmp_path, capsys):
    for progress in (True, False):
        CALLS[call](progress=progress, out=tmp_path / str(progress))
    shown, silent = (
        {file.relative_to(tmp_path / name): file.read_bytes() for file in (tmp_path / name).rglob("journal.jsonl")}
        for name in ("True", "False")
    )
    assert shown
    assert shown == silent


def test_a_notebook_shows_the_last_line_in_place(monkeypatch):
    pytest.importorskip("IPython")
    shown = []

    class Handle:
        def update(self, text):
            shown[-1] = text.data

    def display(text, *, display_id):
        assert display_id
        shown.append(text.data)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert isinstance(_console(None).file, LastLine)
    assert _console(False) is None
    CALLS["minimize"]()
    assert len(shown) == 1
    assert shown[0].startswith("cma: 60/60 queries")
