"""`run_suite` from Python."""

import subprocess
import sys
from pathlib import Path

import pytest

import dfo_prompt as dp

pytestmark = pytest.mark.slow

TABLE = {
    "name": "little",
    "seeds": [1, 2],
    "optimizers": ["cma", "random"],
    "study": {"objective": "sphere", "dim": 3, "budget": 30, "popsize": 5},
}
FILE = """\
name = "little"
seeds = [1, 2]
optimizers = ["cma", "random"]
study = { objective = "sphere", dim = 3, budget = 30, popsize = 5 }
"""
PLUGIN = """\
import dfo_prompt as dp

class Plain:
    def __init__(self, *, dim, seed):
        self.dim = dim

    def evaluate(self, candidates):
        return dp.Evaluation(losses=abs(candidates).sum(axis=1))

@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="plain", target="my_objective:Plain", summary="Sum of absolute values.")]
"""


def test_a_table_and_a_file_are_the_same_suite(tmp_path):
    (tmp_path / "suite.toml").write_text(FILE)
    one = dp.run_suite(TABLE, out=tmp_path / "out")
    journals = {file: file.read_bytes() for file in (tmp_path / "out").rglob("journal.jsonl")}
    other = dp.run_suite(str(tmp_path / "suite.toml"), out=tmp_path / "out")
    assert len(journals) == 4
    assert journals == {file: file.read_bytes() for file in (tmp_path / "out").rglob("journal.jsonl")}
    assert one.verdict == other.verdict
    assert one.errors == {}


def test_plugins_are_files(tmp_path):
    (tmp_path / "my_objective.py").write_text(PLUGIN)
    table = {**TABLE, "study": {**TABLE["study"], "objective": "plain"}}
    with pytest.raises(dp.InputError, match="plain"):
        dp.run_suite(table, out=tmp_path / "out")
    found = dp.run_suite(table, out=tmp_path / "out", plugins=[tmp_path / "my_objective.py"])
    assert set(found.studies["problem"]) == {"plain"}


def test_what_is_wrong_in_a_table_is_said_by_its_place(tmp_path):
    with pytest.raises(dp.InputError, match=r"run_suite\(\)"):
        dp.run_suite({**TABLE, "optimizrs": []}, out=tmp_path / "out")
    with pytest.raises(dp.InputError, match=r"run_suite\(\).*seed"):
        dp.run_suite({**TABLE, "study": {"seed": 3}}, out=tmp_path / "out")


def test_a_suite_of_which_nothing_has_a_result_names_the_first_error(tmp_path):
    study = {"objective": "prompt", "dim": 3, "budget": 30, "problem": {"model": "./nowhere"}}
    table = {**TABLE, "optimizers": ["cma"], "seeds": [1], "study": study}
    with pytest.raises(dp.StudyError, match="no study has a result; .*nowhere"):
        dp.run_suite(table, out=tmp_path / "out")


def test_a_script_needs_no_guard(tmp_path):
    """The processes of a suite do not import the script that runs it."""
    script = tmp_path / "script.py"
    script.write_text(f"import dfo_prompt as dp\nprint('once')\nprint(repr(dp.run_suite({TABLE!r}, out='out')))\n")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert said[0] == "once"
    assert said[1].startswith("<SuiteResult: 4 studies. On this problem (2 seeds), ")
    assert len(said) == 2


@pytest.mark.parametrize("suite", [None, ["cma"], 3])
def test_what_is_no_suite_is_said(suite):
    with pytest.raises(dp.InputError, match=r"run_suite\(\): the suite must be the path of a file or a dict"):
        dp.run_suite(suite)


@pytest.mark.parametrize("jobs", [0, "2"])
def test_no_jobs_at_all_are_refused(tmp_path, jobs):
    suite = {"name": "none", "optimizers": ["cma"], "study": {"objective": "sphere", "dim": 2, "budget": 4}}
    with pytest.raises(dp.InputError, match=f"jobs must be an integer of at least 1, not {jobs!r}"):
        dp.run_suite(suite, out=tmp_path / "suite", jobs=jobs)
    assert not (tmp_path / "suite").exists()


@pytest.mark.parametrize("plugins", ["mine.py", Path("mine.py"), None])
def test_plugins_that_are_no_list_are_refused(plugins):
    with pytest.raises(dp.InputError, match=r"^run_suite\(\): plugins must be a list of files, not "):
        dp.run_suite({}, plugins=plugins)
