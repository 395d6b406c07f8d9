import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points
from threading import Timer

import numpy as np
import pytest
from fakes import Bowl, study

from dfo_prompt._util.json_files import write_json
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.run.manifest import describe_run
from dfo_prompt.study.folder import study_folder
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.ledger import LOCK
from dfo_prompt.study.saved import load_result, read_candidate, read_result, save_result

MANIFEST = describe_run({"budget": 3, "seed": 1}, {"data": "abc"}, {})


def test_a_folder_is_created_reopened_and_describes_itself(tmp_path):
    for _ in range(2):
        with study_folder(tmp_path / "a" / "b", MANIFEST) as folder:
            assert read_manifest(folder) == json.loads(json.dumps(MANIFEST))
    assert {"python", "numpy"} <= set(MANIFEST["versions"])
    assert {point.dist.name for point in entry_points(group="dfo_prompt")} <= set(MANIFEST["versions"])


def test_a_status_that_looks_at_the_lock_is_no_other_process(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    (tmp_path / LOCK).touch()
    with (tmp_path / LOCK).open() as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        Timer(0.02, fcntl.flock, (looked_at, fcntl.LOCK_UN)).start()
        with study_folder(tmp_path, MANIFEST) as folder:
            assert read_manifest(folder)


@pytest.mark.parametrize(
    ("config", "objective", "message"),
    [
        ({"budget": 4, "seed": 1}, {"data": "abc"}, "budget is 3 there and 4 here"),
        ({"budget": 4, "seed": 2}, {"data": "abc"}, "seed is 1 there and 2 here"),
        ({"budget": 4, "seed": 1}, {"data": "xyz"}, "data is 'abc' there and 'xyz' here"),
        ({"budget": 3, "seed": 1}, {"data": "xyz"}, "data is 'abc' there and 'xyz' here"),
        ({"budget": 3}, {"data": "abc"}, "seed is 1 there and None here"),
    ],
)
def test_the_folder_of_another_study_is_refused_with_the_difference(tmp_path, config, objective, message):
    with study_folder(tmp_path, MANIFEST):
        pass
    with (
        pytest.raises(InputError, match=f"holds another study: {message}"),
        study_folder(tmp_path, describe_run(config, objective, {})),
    ):
        pass


def test_a_difference_inside_a_table_is_named_by_its_dotted_key(tmp_path):
    prompts = [{"tokens": 5, "texts": ["a" * 99], "loss": loss} for loss in ("hinge", "cross_entropy")]
    first, second = (describe_run({"budget": 3, "prompt": prompt}, {}, {}) for prompt in prompts)
    with study_folder(tmp_path, first):
        pass
    said = "prompt.loss is 'hinge' there and 'cross_entropy' here; choose another --out"
    with pytest.raises(InputError, match=said), study_folder(tmp_path, second):
        pass


def test_a_study_from_before_a_key_goes_on_where_the_key_is_at_its_default(tmp_path):
    config = StudyConfig().as_dict()
    before = {**config, "prompt": {key: value for key, value in config["prompt"].items() if key != "place"}}
    with study_folder(tmp_path, describe_run(before, {}, {})):
        pass
    with study_folder(tmp_path, describe_run(config, {}, {})):
        pass
    changed = {**config, "prompt": {**config["prompt"], "place": "behind"}}
    with (
        pytest.raises(InputError, match="another study: prompt.place is None there"),
        study_folder(tmp_path, describe_run(changed, {}, {})),
    ):
        pass


def test_where_files_lie_and_the_order_of_keys_are_no_part_of_a_study(tmp_path):
    problem = {"data": "file:/here/films/", "task": "file:/here/my.toml"}
    elsewhere = {"task": "file:/q/my.toml", "data": "file:/q/films"}
    with study_folder(tmp_path, describe_run({"problem": problem}, {}, {})):
        pass
    with study_folder(tmp_path, describe_run({"problem": elsewhere}, {}, {})):
        pass
    with (
        pytest.raises(InputError, match="another study: problem"),
        study_folder(tmp_path, describe_run({"problem": {**problem, "data": "file:/here/books"}}, {}, {})),
    ):
        pass


def test_what_goes_wrong_inside_is_not_the_folders_fault(tmp_path):
    with pytest.raises(FileNotFoundError), study_folder(tmp_path, MANIFEST):
        (tmp_path / "missing").read_bytes()


def test_a_folder_with_something_else_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="not empty and not a study folder"), study_folder(tmp_path, MANIFEST):
        pass


def test_a_folder_that_was_left_before_it_began_is_taken(tmp_path):
    (tmp_path / "manifest.json.part").write_text('{"for')
    with study_folder(tmp_path, MANIFEST) as folder:
        assert read_manifest(folder)["config"] == {"budget": 3, "seed": 1}


def test_code_that_gave_no_loss_may_be_fixed_and_the_earlier_budgets_are_kept(tmp_path):
    with study_folder(tmp_path, {**MANIFEST, "code": {"mine.py": "sha256 1"}}) as folder:
        write_json(folder / "manifest.json", {**read_manifest(folder), "budgets": [2, 3]})
    with study_folder(tmp_path, {**MANIFEST, "code": {"mine.py": "sha256 2"}}) as folder:
        manifest = read_manifest(folder)
    assert (manifest["code"], manifest["budgets"]) == ({"mine.py": "sha256 2"}, [2, 3])


def test_a_file_in_the_way_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match="cannot write .*file"), study_folder(tmp_path / "file" / "deeper", MANIFEST):
        pass


def test_two_processes_do_not_share_a_folder(tmp_path):
    code = (
        "import sys, time; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire(); "
        "print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / ".lock")], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StudyError, match="another process is running the study"), study_folder(tmp_path, MANIFEST):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        for _ in range(100):  # the system lets go of a dead process's lock in its own time
            try:
                with study_folder(tmp_path, MANIFEST):
                    break
            except StudyError:
                time.sleep(0.05)
        else:
            pytest.fail("the lock outlives its process")
    finally:
        holder.kill()
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()


def test_candidates_and_result_are_read_back(tmp_path):
    result = study(Bowl()).run()
    assert read_result(tmp_path) is None
    with pytest.raises(InputError, match="is not finished; run its command again"):
        read_candidate(tmp_path)
    save_result(tmp_path, result)
    np.testing.assert_array_equal(read_candidate(tmp_path), result.chosen)
    np.testing.assert_array_equal(read_candidate(tmp_path, "recommended"), result.recommended)
    for name, value in vars(load_result(tmp_path)).items():
        np.testing.assert_equal(value, getattr(result, name))
    figures = read_result(tmp_path)
    assert figures is not None
    assert figures["best_loss"] == result.best_loss
    assert figures["spent"]["queries"] == 50


def test_saving_twice_gives_the_same_bytes(tmp_path):
    result = study(Bowl()).run()
    save_result(tmp_path, result)
    first = (tmp_path / "candidates.npz").read_bytes()
    save_result(tmp_path, result)
    assert (tmp_path / "candidates.npz").read_bytes() == first


@pytest.mark.parametrize("content", [b"{", b"[1]", b"3"])
@pytest.mark.parametrize("name", ["manifest.json", "result.json", "candidates.npz"])
def test_a_damaged_file_is_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    read = {"manifest.json": read_manifest, "result.json": read_result, "candidates.npz": read_candidate}[name]
    with pytest.raises(InputError, match=name) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_result_that_lacks_figures_is_one_line(tmp_path):
    save_result(tmp_path, study(Bowl()).run())
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(InputError, match="result.json is damaged: 'held_out'"):
        load_result(tmp_path)


def test_a_result_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(StudyError, match="cannot write .*nowhere: No such file"):
        save_result(tmp_path / "nowhere", study(Bowl()).run())


@pytest.mark.parametrize("keep", [0, 100])
def test_candidates_cut_short_are_one_line(tmp_path, keep):
    save_result(tmp_path, study(Bowl()).run())
    whole = (tmp_path / "candidates.npz").read_bytes()
    (tmp_path / "candidates.npz").write_bytes(whole[:keep])
    with pytest.raises(InputError, match="candidates.npz is damaged"):
        read_candidate(tmp_path)


def test_a_value_that_is_no_number_is_the_same_again(tmp_path):
    manifest = {**MANIFEST, "objective": {"agreement": float("nan")}}
    for _ in range(2):
        with study_folder(tmp_path / "s", manifest):
            pass


def test_a_folder_without_manifest_is_no_study(tmp_path):
    with pytest.raises(InputError, match="is not a study folder"):
        read_manifest(tmp_path)
