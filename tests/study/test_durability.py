"""Studies survive a kill after any write, a power cut, and other programs in the folder."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from disks import Disk, Killed, Powerless
from fakes import Bowl, HeldOutBowl, study
from hypothesis import given, settings
from hypothesis import strategies as st

import dfo_prompt as dp
from dfo_prompt._util import durable
from dfo_prompt._util.json_files import write_json
from dfo_prompt.contracts.usage import currencies
from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.run.manifest import describe_run
from dfo_prompt.study import ledger
from dfo_prompt.study.costs import read_spent
from dfo_prompt.study.folder import study_folder
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.records import read_records
from dfo_prompt.study.saved import save_result

MANIFEST = describe_run({"budget": 50, "dim": 3}, {}, {})
COMPARED = ("journal.jsonl", "validation.jsonl", "candidates.f64", "validation.f64", "candidates.npz")
SHARES = (0.0, 0.6, 1.0)


def run(folder, objective=None):
    with study_folder(folder, MANIFEST):
        result = study(objective or HeldOutBowl(), folder=folder, validate_every=10).run()
        save_result(folder, result)
    return result


def contents(folder):
    return {name: (folder / name).read_bytes() for name in COMPARED}


def costs(result):
    return [
        [getattr(account, name) for name in ("queries", "unpriced", *currencies())]
        for account in (result.spent, result.validation)
    ]


def run_on(disk, folder):
    """Run a study on a disk; return its result, or None where the disk failed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "os", disk)
        try:
            return run(folder)
        except Killed:
            return None


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken") / "s"
    result = run(folder)
    return contents(folder), costs(result)


@pytest.mark.slow
def test_a_kill_after_any_write_changes_neither_journals_nor_candidates_nor_costs(tmp_path, unbroken):
    disk = Disk()
    assert run_on(disk, tmp_path / "count") is not None
    faults = [(step, share) for step in range(1, disk.steps + 1) for share in SHARES]
    assert len(faults) >= 200
    for step, share in faults:
        folder = tmp_path / "s"
        assert run_on(Disk(step, share), folder) is None
        result = run_on(Disk(), folder)
        assert (contents(folder), costs(result)) == unbroken, (step, share)
        assert read_spent(folder).rows == 50
        shutil.rmtree(folder)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(faults=st.lists(st.tuples(st.integers(1, 80), st.sampled_from(SHARES)), min_size=1, max_size=6))
def test_many_kills_add_nothing_up(tmp_path_factory, unbroken, faults):
    folder = tmp_path_factory.mktemp("many") / "s"
    for step, share in faults:
        run_on(Disk(step, share), folder)
    result = run_on(Disk(), folder)
    assert (contents(folder), costs(result)) == unbroken


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="finds out by /proc which file is flushed")
@pytest.mark.parametrize("zeros", [False, True])
def test_a_power_cut_loses_a_second_of_queries_at_most(tmp_path, unbroken, monkeypatch, zeros):
    clock = [0.0]
    monkeypatch.setattr(ledger, "monotonic", lambda: clock[0])

    class Slow(HeldOutBowl):
        def evaluate(self, candidates):
            clock[0] += 0.4
            self.journaled = len(read_records(tmp_path / "s"))
            return super().evaluate(candidates)

    def cut_at(step):
        folder, disk, objective = tmp_path / "s", Powerless(step), Slow()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(durable, "os", disk)
            try:
                run(folder, objective)
            except Killed:
                disk.cut(folder, zeros=zeros)
                lost = getattr(objective, "journaled", 0) - len(read_records(folder))
                assert lost <= 4 * 3  # three batches of 0.4 seconds
                return True
            return False

    step = 1
    while cut_at(step):
        result = run_on(Disk(), tmp_path / "s")
        assert (contents(tmp_path / "s"), costs(result)) == unbroken, step
        shutil.rmtree(tmp_path / "s")
        step += 3
    assert step > 60


@pytest.mark.parametrize("torn", [b"", b'{"for', b"\0" * 100, b"[]", b"{}"])
def test_a_torn_manifest_without_a_journal_is_written_again(tmp_path, torn):
    (tmp_path / "manifest.json").write_bytes(torn)
    with study_folder(tmp_path, MANIFEST) as folder:
        assert read_manifest(folder)["config"] == MANIFEST["config"]
    (tmp_path / "manifest.json").write_bytes(torn)
    (tmp_path / "journal.jsonl").write_text("")
    with pytest.raises(InputError, match=r"manifest.json|not a study folder"), study_folder(tmp_path, MANIFEST):
        pass


def replace_by_a_copy(path):
    shutil.copy(path, path.with_suffix(".copy"))
    os.replace(path.with_suffix(".copy"), path)


MEDDLING = {
    "removed": Path.unlink,
    "replaced": replace_by_a_copy,
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "appended": lambda path: path.write_bytes(path.read_bytes() + b"more\n"),
}


@pytest.mark.parametrize("how", MEDDLING)
@pytest.mark.parametrize("name", ["journal.jsonl", "ledger.jsonl", "candidates.f64", ".lock"])
def test_a_file_that_others_touch_while_a_study_runs_stops_it(tmp_path, name, how):
    if name == ".lock" and how == "truncated":
        pytest.skip("it is empty")

    class Meddler(Bowl):
        def evaluate(self, candidates):
            if self.queries == 12:
                MEDDLING[how](tmp_path / name)
            return super().evaluate(candidates)

    said = f"{name} was removed, replaced or changed by another program"
    with pytest.raises(StudyError, match=said), study_folder(tmp_path, MANIFEST):
        study(Meddler(), folder=tmp_path).run()
    if name != "journal.jsonl":
        assert len(read_records(tmp_path)) <= 16


def test_links_in_a_folder_are_not_followed(tmp_path):
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("years")
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "manifest.json.part").symlink_to(thesis)
    write_json(folder / "manifest.json", {"a": 1})
    assert not (folder / "manifest.json").is_symlink()
    (folder / "journal.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StudyError, match="journal.jsonl"):
        study(Bowl(), folder=folder).run()
    assert (thesis.read_text(), (tmp_path / "elsewhere").exists()) == ("years", False)


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_only_a_full_disk_is_told_to_make_room(tmp_path):
    with pytest.raises(StudyError, match="cannot write .*: Is a directory$"), durable.writing(tmp_path):
        os.open(tmp_path, os.O_RDWR)


def test_an_objective_that_changes_the_working_directory_changes_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()

    class Walker(Bowl):
        def evaluate(self, candidates):
            os.chdir(tmp_path / self.to)
            return super().evaluate(candidates)

    objective = Walker()
    objective.to = "elsewhere"
    first = dp.minimize(objective, budget=20, out="s")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "s"]
    assert not list((tmp_path / "elsewhere").iterdir())
    np.testing.assert_array_equal(dp.minimize(objective, budget=20, out=tmp_path / "s").best, first.best)
