import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dfo_prompt.errors import DataError, InputError
from dfo_prompt.tasks.examples import Example, read_examples
from dfo_prompt.tasks.sections import Source
from dfo_prompt.tasks.task import Task


def hub_task(single: Task, source: Source) -> Task:
    return replace(single, data=source)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setattr(datasets.config, name, True, raising=False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()


@pytest.mark.usefixtures("offline")
def test_a_data_set_is_read_split_by_split(single: Task, tmp_path: Path) -> None:
    folder = tmp_path / "reviews"
    folder.mkdir()
    for split, rows in {"train": [("a", "yes"), ("b", "no")], "test": [("{c}", "yes")]}.items():
        lines = [json.dumps({"sentence": text, "label": label}) for text, label in rows]
        (folder / f"{split}.jsonl").write_text("\n".join(lines))
    splits = read_examples(hub_task(single, Source(hub=str(folder), columns={"text": "sentence"})))
    assert splits.train == (Example(texts=("a",), label=1), Example(texts=("b",), label=0))
    assert splits.test == (Example(texts=("{c}",), label=1),)


@pytest.mark.usefixtures("offline")
def test_numbers_of_class_labels_become_their_names(single: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    data = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, split: asked.append((*args, split)) or data)
    splits = read_examples(hub_task(single, Source(hub="some/set", config="small", test="", unlabelled=("-1",))))
    assert [example.label for example in splits.train] == [1, 0]
    assert splits.test is None
    assert asked == [("some/set", "small", "train")]


@pytest.mark.usefixtures("offline")
def test_a_split_that_is_not_there(single: Task, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text('{"text": "a", "label": "yes"}\n')
    with pytest.raises(DataError, match=r'cannot get test of data set .*Unknown split "test"'):
        read_examples(hub_task(single, Source(hub=str(tmp_path / "set"))))


@pytest.mark.usefixtures("offline")
def test_no_network_is_one_line(single: Task) -> None:
    with pytest.raises(DataError) as caught:
        read_examples(hub_task(single, Source(hub="nobody/nothing")))
    assert str(caught.value).startswith("cannot get train of data set 'nobody/nothing': ")
    assert str(caught.value).endswith("; or give local files with --data")
    assert "\n" not in str(caught.value)


def test_without_the_extra(single: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"data set 'some/set' needs an extra: pip install 'dfo-prompt\[hub\]'"):
        read_examples(hub_task(single, Source(hub="some/set")))


def test_local_files_go_before_the_hub(single: Task, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("text,label\na,yes\n")
    assert len(read_examples(hub_task(single, Source(hub="some/set")), tmp_path / "mine.csv").train) == 1


@pytest.mark.usefixtures("offline")
def test_a_revision_of_a_data_set(single: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    asked = []
    data = datasets.Dataset.from_dict({"text": ["a"], "label": ["yes"]})
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **options: asked.append((args, options)) or data)
    read_examples(hub_task(single, Source(hub="some/set", revision="v1.2", test="")))
    assert asked == [(("some/set", None), {"split": "train", "revision": "v1.2"})]
