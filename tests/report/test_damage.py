"""Damaged or foreign suite folders give a one-line error, or a report on the valid studies."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from suites import finished_suite

import dfo_prompt as dp
from dfo_prompt.errors import DfoPromptError, InputError, StudyError
from dfo_prompt.report.content import report_of
from dfo_prompt.report.write import write_report
from dfo_prompt.suite.folder import study_path

pytestmark = pytest.mark.slow

SUITE = """\
name = "tiny"
seeds = [1, 2]
threads = 1
optimizers = ["random", { name = "far", optimizer = "random", sigma = 5.0 }]
[study]
dim = 2
budget = 8
popsize = 4
objective = "sphere"
"""
STUDY = "studies/sphere/random/1/"
FILES = ("suite.json", "errors.json", *(STUDY + name for name in ("manifest.json", "result.json", "journal.jsonl")))
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([10**400, -(10**30), 2**63, 1e308, -1e308, float("nan"), float("inf"), 0, -1, 1e-320]),
    st.sampled_from(["", "text", "../../etc", "\x00", "\ud800", "$x", "=1"]),
    st.just([]),
    st.just({}),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return finished_suite(tmp_path_factory.mktemp("damage"), SUITE)


def places(value):
    """Return the path of every value inside plain data."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [()] + [(key, *rest) for key, inner in inside for rest in places(inner)]


def put(value, place, new):
    """Return plain data with another value at a place; None stands for the absence of a key."""
    if not place:
        return new
    key, *rest = place
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = put(value[key], rest, new)
    return copy


@pytest.mark.filterwarnings("error")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_a_file_holds_the_end_is_a_report_or_one_line(tiny, data):
    path = tiny / data.draw(st.sampled_from(FILES))
    before = path.read_bytes()
    kind = data.draw(st.sampled_from(["value", "value", "value", "whole", "cut", "bytes", "gone"]))
    if kind == "gone":
        path.unlink()
    elif kind == "bytes":
        path.write_bytes(data.draw(st.binary(max_size=30)))
    elif kind == "cut":
        path.write_bytes(before[: data.draw(st.integers(0, len(before)))])
    elif kind == "whole":
        path.write_text(json.dumps(data.draw(ODD)) + "\n")
    else:
        lines = before.decode().splitlines() if path.suffix == ".jsonl" else [before.decode()]
        number = data.draw(st.integers(0, len(lines) - 1))
        value = json.loads(lines[number])
        lines[number] = json.dumps(put(value, data.draw(st.sampled_from(places(value))), data.draw(ODD)))
        path.write_text("\n".join(lines) + "\n")
    try:
        report_of(tiny)
    except DfoPromptError as error:
        assert "\n" not in str(error)  # noqa: PT017
        assert len(str(error)) <= 500  # noqa: PT017
    finally:
        path.write_bytes(before)


@pytest.fixture
def copy(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "out")
    return tmp_path / "out"


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("recommended_loss", "low", "recommended_loss: Input should be a valid number, not 'low'"),
        ("recommended_loss", 10**400, "its recommended loss cannot be inf"),
        ("spent", 5, "spent: Input should be an object, not 5"),
        ("spent", {"rows": [1]}, "spent.rows: Input should be a valid integer, not [1]"),
        ("held_out", "yes", "held_out: Input should be an object, not 'yes'"),
    ],
)
def test_a_study_with_figures_that_are_none_is_damaged_and_the_others_are_reported(copy, name, value, said):
    change(copy / STUDY / "result.json", **{name: value})
    studies = dp.read_suite(copy)
    assert list(studies["finished"]) == [False, True, True, True]
    assert said in studies["error"][0]
    assert "1 of 4 studies have no result" in write_report(copy).read_text()


@pytest.mark.parametrize(
    "line", ['{"query": 1, "candidate": "", "status": "ok", "loss": "low"}', "5", '{"loss": [1]}', "[]"]
)
def test_a_journal_of_other_things_is_damaged_and_the_others_are_reported(copy, line):
    (copy / STUDY / "journal.jsonl").write_text(line + "\n")
    assert "1 of 4 studies have no result" in write_report(copy).read_text()
    with pytest.raises(DfoPromptError, match="journal.jsonl.* is damaged"):
        dp.read_journal(copy / STUDY)


def test_a_manifest_of_other_types_is_one_line_or_the_rest_goes_on(copy):
    before = (copy / STUDY / "manifest.json").read_text()
    change(copy / STUDY / "manifest.json", config={})
    assert "1 of 4 studies have no result" in write_report(copy).read_text()
    (copy / STUDY / "manifest.json").write_text(before)
    change(copy / STUDY / "manifest.json", objective={"metric": 5}, machine=5, versions="\ud800", git_commit="\ud800")
    assert "have no result" not in write_report(copy).read_text()


def test_errors_that_are_no_table_are_one_line(copy):
    (copy / "errors.json").write_text("[1]")
    with pytest.raises(InputError, match=r"errors.json is damaged: it holds no table"):
        write_report(copy)
    (copy / "errors.json").write_text(json.dumps({"sphere/random/1": {"a": 1}}))
    write_report(copy)


@pytest.mark.parametrize(
    "values", [{"budget": 10**12}, {"budget": 10**9}, {"budget": 10**400}, {"dim": "../x"}, {"sigma": "x"}]
)
def test_a_plan_with_figures_that_are_none_or_huge_is_one_line(copy, values):
    plan = json.loads((copy / "suite.json").read_text())
    for study in plan["plans"]:
        study["config"] |= values
    (copy / "suite.json").write_text(json.dumps(plan))
    with pytest.raises(InputError, match=r"suite\.json"):
        write_report(copy)


def test_links_in_place_of_the_report_are_not_followed(copy, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/kept.txt").write_text("kept")
    (copy / "report").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="report is a link, where the report will be a folder; move it away"):
        write_report(copy)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["kept.txt"]
    (copy / "report").unlink()
    (copy / "report").mkdir()
    for name in ("index.html", "report.json", "report.json.part", "ioh", "studies.csv"):
        (copy / "report" / name).symlink_to(tmp_path / "elsewhere/kept.txt")
    write_report(copy)
    assert (tmp_path / "elsewhere/kept.txt").read_text() == "kept"
    assert not any(path.is_symlink() for path in (copy / "report").rglob("*"))


def test_a_file_in_place_of_the_report_is_one_line(copy):
    (copy / "report").write_text("mine")
    with pytest.raises(InputError, match="report is a file, where the report will be a folder"):
        write_report(copy)
    assert (copy / "report").read_text() == "mine"


def test_a_report_that_cannot_be_written_is_one_line(copy, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dfo_prompt.report.write.write_csv", full)
    with pytest.raises(StudyError, match="cannot write .*report: No space left on device"):
        write_report(copy)


def test_a_report_that_fails_leaves_the_old_one(copy):
    page = write_report(copy)
    for study in dp.read_suite(copy)["study"]:
        (study_path(copy, study) / "result.json").unlink()
    with pytest.raises(InputError):
        write_report(copy)
    assert page.exists()


def test_texts_that_are_none_are_kept_as_escapes(copy):
    journal = copy / STUDY / "journal.jsonl"
    first, *others = journal.read_text().splitlines()
    broken = json.dumps({**json.loads(first), "status": "error: \ud800\n", "loss": None})
    journal.write_text("\n".join([broken, *others]) + "\n")
    assert dp.read_journal(copy / STUDY)["status"][0] == r"error: \ud800\n"
    (copy / "errors.json").write_text(json.dumps({"sphere/random/2": "\ud800"}))
    write_report(copy)
    assert dp.read_suite(copy)["error"].iloc[2] == r"\ud800"
