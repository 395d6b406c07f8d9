"""A report says if plugins changed while its studies were run."""

import json

import pytest

from dfo_prompt.report.analysis import analyse
from dfo_prompt.report.verdict import notes

FIRST, SECOND = "sha256 1", "sha256 2"
SAID = "The studies ran different code of mine.py, which may be why they differ."


@pytest.mark.parametrize(
    ("file", "seed_of", "said"),
    [("mine.py", [FIRST, SECOND], True), ("mine.py", [FIRST, FIRST], False), ("method.data", [FIRST, SECOND], False)],
)
def test_changed_plugins_are_told_and_files_of_options_may_differ(copy, file, seed_of, said):
    for seed, code in enumerate(seed_of, start=1):
        path = copy / "studies" / "sphere" / "random" / str(seed) / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"code": {file: code}}))
    assert (SAID in notes(analyse(copy))) == said


def test_the_code_of_a_study_without_a_result_is_not_told(copy):
    for seed, code in enumerate((FIRST, SECOND), start=1):
        path = copy / "studies" / "sphere" / "random" / str(seed) / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"code": {"mine.py": code}}))
    (path.parent / "result.json").unlink()
    assert SAID not in notes(analyse(copy))
