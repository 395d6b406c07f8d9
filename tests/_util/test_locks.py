"""A folder is locked for one process, and errors of its holder stay what they are."""

import pytest

from dfo_prompt._util.locks import is_held, locked_folder
from dfo_prompt.errors import StudyError


def test_a_locked_folder_is_created_and_released(tmp_path):
    folder = tmp_path / "a" / "b"
    twice = locked_folder(folder, ".lock", purpose="suite", seconds=0)
    with locked_folder(folder, ".lock", purpose="study"):
        assert is_held(folder / ".lock")
        with pytest.raises(StudyError, match=r"^another process is running the suite in \S+b$"):
            twice.__enter__()
    assert not is_held(folder / ".lock")


def test_an_error_inside_stays_what_it_is_and_one_of_the_folder_is_one_line(tmp_path):
    with pytest.raises(OSError, match="^mine$"), locked_folder(tmp_path, ".lock", purpose="study"):
        raise OSError("mine")
    assert not is_held(tmp_path / ".lock")
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match=r"^cannot write \S*file: File exists$"):
        locked_folder(tmp_path / "file", ".lock", purpose="study").__enter__()
