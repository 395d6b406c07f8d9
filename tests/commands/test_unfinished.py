"""Commands use the prompts of unfinished studies."""

import shutil

import pytest

from dfo_prompt.study.best import best_so_far


@pytest.fixture
def unfinished(program, tiny_folder, tiny_task, tmp_path):
    flags = f"--model {tiny_folder} --task {tiny_task} --dim 4 --prompt-tokens 3 --budget 12 --popsize 4 --shots 4 --out s"
    status, _, err = program("run", *flags.split(), "--optimizer", "random", "--device", "cpu", "--dtype", "float32")
    assert status == 0, err
    for name in ("result.json", "candidates.npz"):
        (tmp_path / "s" / name).unlink()
    return tmp_path / "s"


def test_an_unfinished_study_predicts_and_exports_with_its_best(program, unfinished):
    status, out, err = program("predict", "s", "good film")
    assert (status, err) == (0, "study unfinished: best of 12 queries\n")
    assert out.split("\t")[0] in ("bad", "good")
    status, out, err = program("export", "s", "--format", "safetensors")
    assert (status, "study unfinished: best of 12 queries" in err) == (0, True)
    assert (unfinished / "prompt.safetensors").exists()
    status, out, _ = program("show", "s")
    assert f"query {best_so_far(unfinished)[1].query}, for predict, export" in out


def test_one_without_a_query_says_so(program, unfinished):
    for file in unfinished.glob("*.jsonl"):
        file.unlink()
    shutil.rmtree(unfinished / "adapter", ignore_errors=True)
    status, _, err = program("predict", "s", "good film")
    assert (status, err.count("\n"), "has no candidate with a loss yet" in err) == (2, 1, True)
