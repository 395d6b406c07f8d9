from dfo_prompt.config.study import StudyConfig
from dfo_prompt.suite import folder
from dfo_prompt.suite.config import SuiteSettings
from dfo_prompt.suite.folder import Errors, read_errors, read_suite_folder, suite_folder
from dfo_prompt.suite.plan import Plan, Suite


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


def test_show_points_to_the_commands_of_a_suite(program, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "suite.json").write_text("{}")
    status, _, err = program("show", "s")
    assert (status, "suite report s" in err, err.count("\n")) == (2, True, 1)


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
