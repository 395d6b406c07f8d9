from dfo_prompt.suite import folder
from dfo_prompt.suite.folder import Errors, read_errors


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
