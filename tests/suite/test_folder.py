import errno

import pytest

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import StudyError
from dfo_prompt.suite import folder
from dfo_prompt.suite.config import SuiteSettings
from dfo_prompt.suite.folder import Errors, read_errors, read_suite_folder, suite_folder
from dfo_prompt.suite.plan import Plan, Suite
from dfo_prompt.suite.processes import Processes
from dfo_prompt.suite.run import run_suite


def test_errors_are_kept_without_a_file_for_each(tmp_path, monkeypatch):
    written, write = [], folder.write_json
    monkeypatch.setattr("dfo_prompt.suite.folder.write_json", lambda *given: (written.append(given), write(*given)))
    now = [0.0]
    monkeypatch.setattr("dfo_prompt.suite.folder.monotonic", lambda: now[0])
    errors = Errors(tmp_path)
    for number in range(1000):
        now[0] += 0.01
        errors.note(f"study/{number}", "no luck")
    assert 5 < len(written) <= 10
    errors.note("study/7", "")
    errors.write()
    assert read_errors(tmp_path).keys() == {f"study/{number}" for number in range(1000)} - {"study/7"}
    assert errors.among({"study/7", "study/8"}) == {"study/8": "no luck"}
    errors.note("study/9", "out of luck")
    errors.write_if_due()
    assert read_errors(tmp_path)["study/9"] == "no luck"
    now[0] += 2
    errors.write_if_due()
    assert read_errors(tmp_path)["study/9"] == "out of luck"


def test_show_points_to_the_commands_of_a_suite(program, tmp_path):
    (tmp_path / "my suite").mkdir()
    (tmp_path / "my suite" / "suite.json").write_text("{}")
    status, _, err = program("show", "my suite")
    assert (status, "status 'my suite', or suite report 'my suite'" in err, err.count("\n")) == (2, True, 1)


def test_a_plan_that_has_not_changed_is_not_written_again(tmp_path, monkeypatch):
    config = StudyConfig(objective="sphere", dim=2, budget=4, plugin=tmp_path / "mine.py")
    plans = [Plan(optimizer="random", problem="sphere", seed=seed, config=config, queries=4) for seed in (1, 2)]
    suites = [Suite(settings=SuiteSettings(name="s"), plans=tuple(plans[:count])) for count in (1, 1, 2)]
    written, write = [], folder.write_json
    monkeypatch.setattr(folder, "write_json", lambda path, data: (written.append(path.name), write(path, data)))
    for suite in suites:
        with suite_folder(tmp_path / "out", suite):
            pass
        assert read_suite_folder(tmp_path / "out") == suite
    assert written.count("suite.json") == 2


def little():
    config = StudyConfig(objective="sphere", dim=2, budget=4)
    plan = Plan(optimizer="random", problem="sphere", seed=1, config=config, queries=4)
    return Suite(settings=SuiteSettings(name="s"), plans=(plan,))


def test_an_error_of_an_executor_or_a_watcher_stays_what_it_is(tmp_path, monkeypatch):
    def begin(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    def watch(_):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError, match="Broken pipe"):
        run_suite(little(), tmp_path / "s", watch=watch)
    monkeypatch.setattr(Processes, "begin", begin)
    with pytest.raises(OSError, match="Too many open files"):
        run_suite(little(), tmp_path / "s")
    assert read_suite_folder(tmp_path / "s") == little()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match=r"cannot write \S*file: File exists$"), suite_folder(tmp_path / "file", little()):
        pass
    twice = suite_folder(tmp_path / "s", little())
    with suite_folder(tmp_path / "s", little()), pytest.raises(StudyError, match="another process is running the suite"):
        twice.__enter__()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    errors = Errors(tmp_path / "s")
    errors.note("sphere/random/1", "no luck")
    monkeypatch.setattr(folder, "write_json", full)
    with pytest.raises(StudyError, match=r"cannot write \S*s: No space left on device; make room and run the same command"):
        errors.write()
