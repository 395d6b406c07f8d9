import os
import sys
from threading import Event, Thread

import pytest

from dfo_prompt._util.contained import contained
from dfo_prompt.optimizers.isolation import silenced


def test_print_and_chdir_are_undone_and_told(tmp_path, capfd):
    there, stdout = os.getcwd(), sys.stdout
    with contained() as remarks:
        sys.stdout.write("text\n")
        os.write(1, b"bytes")
        os.chdir(tmp_path)
    assert (os.getcwd(), sys.stdout) == (there, stdout)
    assert remarks == ["prints at import", "changes the working directory at import"]
    said = capfd.readouterr()
    assert said.out == ""
    assert sorted([said.err.count("text"), said.err.count("bytes")]) == [1, 1]


def test_all_is_undone_after_an_error(tmp_path):
    there, stdout = os.getcwd(), sys.stdout

    @contained()
    def fail():
        os.chdir(tmp_path)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (os.getcwd(), sys.stdout) == (there, stdout)


def test_a_working_directory_that_is_gone_is_no_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with contained() as remarks:
        pass
    assert remarks == []


@pytest.mark.parametrize("other_block", [contained, silenced])
def test_threads_take_turns(other_block):
    inside, left, stdout = Event(), Event(), sys.stdout

    def second():
        with other_block():
            inside.set()
            left.wait(5)

    other = Thread(target=second)
    with contained():
        other.start()
        assert not inside.wait(0.05)
    left.set()
    other.join()
    assert inside.is_set()
    assert sys.stdout is stdout
