"""Drafts a task from data: finds the columns of text and label, the classes, and their label words."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dfo_prompt.errors import DataError, InputError
from dfo_prompt.tasks.files import find_split, read_class_folders
from dfo_prompt.tasks.formats import read_rows
from dfo_prompt.tasks.rows import Row, without_decimal
from dfo_prompt.tasks.sections import Source
from dfo_prompt.tasks.task import MIN_CLASSES, Task
from dfo_prompt.tasks.template import FIELDS

LABEL_NAMES = ("label", "labels", "class", "category", "target", "sentiment", "topic", "intent", "y")
TEXT_NAMES = (
    "text",
    "sentence",
    "review",
    "content",
    "message",
    "tweet",
    "comment",
    "headline",
    "question",
    "body",
    "title",
)
MAX_CLASSES = 100
"""The largest number of distinct values of a label column."""
WHOLE = re.compile(r"(0|-?[1-9]\d*)(\.0)?")
"""A whole number, possibly as a float: pandas converts integer labels to floats if any is missing."""
BY_HAND = "for answers that are texts, write a task file with [answer]"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The rows that a task is drafted from.

    Attributes:
        path: the file or folder, as the caller gave it.
        rows: cells of each row, by column.
    """

    path: Path
    rows: Sequence[Mapping[str, str]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of all columns, in order of first appearance."""
        return tuple(dict.fromkeys(column for row in self.rows for column in row))

    @property
    def name(self) -> str:
        """Return the name of the folder, or of the file without its suffixes."""
        name = self.path.absolute().name
        return name if self.path.is_dir() else name[: len(name) - len("".join(Path(name).suffixes))]

    def values(self, column: str) -> list[str]:
        """Return the cells of a column, (N,); "" where a row lacks the column."""
        return [row.get(column, "").strip() for row in self.rows]

    def classes(self, column: str) -> dict[str, int]:
        """Return the number of rows of each label: integer labels in numeric order, then the others by name.

        In a column of whole numbers "1.0" counts as "1", as in `read_examples`; beside any other label it stays "1.0".

        Raises:
            DataError: the column has fewer than two distinct values, or more than `MAX_CLASSES`.
        """
        labels = [value for value in self.values(column) if value]
        if all(map(WHOLE.fullmatch, {*labels})):
            labels = [label.removesuffix(".0") for label in labels]
        counts = Counter(labels)
        if not MIN_CLASSES <= len(counts) <= MAX_CLASSES:
            advice = f"a label has 2 to {MAX_CLASSES}; name another column with --label-column; {BY_HAND}"
            raise DataError(f"{self.path}: column {column!r} has {len(counts):,} different values; {advice}")
        return dict(sorted(counts.items(), key=lambda item: _label_order(item[0])))


def read_dataset(path: Path) -> Dataset:
    """Read the rows of a file, of the training split in a folder, or of class folders.

    Raises:
        DataError: there are no rows, or see `dfo_prompt.tasks.formats.read_rows`.
        InputError: an extra is missing.
    """
    defaults = Source()
    if path.is_dir() and (train := find_split(path, defaults.train)) is None:
        rows: Iterator[Row] = read_class_folders(path, encoding=defaults.encoding, first_line=False)
    else:
        rows = read_rows(train if path.is_dir() and train else path, encoding=defaults.encoding)
    dataset = Dataset(path=path, rows=[row.cells for row in rows if not row.skip])
    if not dataset.rows:
        raise DataError(f"{path} holds no rows")
    return dataset


def guess_label(dataset: Dataset) -> str:
    """Guess the label column: a column with a usual name, else the column with the fewest distinct values.

    Raises:
        InputError: no column has a usual name or repeated values.
    """
    if named := _usual_column(dataset, LABEL_NAMES):
        return named
    distinct = {column: len({*values}) for column in dataset.columns if (values := [v for v in dataset.values(column) if v])}
    limit = min(MAX_CLASSES, len(dataset.rows) // 2)
    candidates = [column for column, count in distinct.items() if MIN_CLASSES <= count <= limit]
    if not candidates:
        columns = _column_list(dataset)
        raise InputError(f"{dataset.path}: no column looks like a label; name it with --label-column: {columns}; {BY_HAND}")
    return min(candidates, key=distinct.__getitem__)


def guess_text(dataset: Dataset, label: str) -> str:
    """Guess the text column: a column with a usual name, else the column with the most characters.

    Raises:
        InputError: `label` is the only column.
    """
    others = [column for column in dataset.columns if column != label]
    if not others:
        raise InputError(f"{dataset.path} has no column beside {label!r}; a task needs a text and a label")
    named = _usual_column(dataset, TEXT_NAMES)
    return named if named in others else max(others, key=lambda column: sum(map(len, dataset.values(column))))


def label_words(classes: Mapping[str, int], given: str) -> dict[str, str]:
    """Return the label word of each label; by default the label itself, with spaces for underscores.

    Args:
        classes: number of rows of each label; see `Dataset.classes`.
        given: value of --labels: "good,bad" in the order of the labels, "1=good,0=bad", or "" for the default.

    Raises:
        InputError: the number of words differs from that of the labels, or a label is unknown or has two words.
    """
    if not given:
        readable = {label: label.replace("_", " ").strip() or label for label in classes}
        return readable if len({*readable.values()}) == len(readable) else {label: label for label in classes}
    parts = [part.strip() for part in given.split(",")]
    pairs = [part.split("=", 1) for part in parts] if all("=" in part for part in parts) else []
    words = {without_decimal(label.strip(), classes): word.strip() for label, word in pairs}
    if not words and len(parts) == len(classes):
        same = {*parts} == {*classes}
        words = dict(zip(parts if same else classes, parts, strict=True))
    if words.keys() != classes.keys() or not all(words.values()) or len(words) < len(pairs):
        raise InputError(
            f"--labels {given!r}: give one word for each of {', '.join(classes)}, in this order or as LABEL=WORD"
        )
    return {label: words[label] for label in classes}


def draft(
    dataset: Dataset, *, texts: Sequence[str], label: str, words: Mapping[str, str], instruction: str = "", path: str = ""
) -> Task:
    """Return the task of labelling the rows of a data set.

    Args:
        dataset: the rows.
        texts: column of the text, or the columns of a pair of texts.
        label: column of the label.
        words: label word of each label.
        instruction: line ahead of the text; "" for none.
        path: path of the data relative to the task file.

    Raises:
        InputError: a column is missing, or the task would be invalid.
    """
    check_columns(dataset, *texts, label)
    if len(texts) not in FIELDS or len({*texts, label}) <= len(texts):
        raise InputError(f"a task has one text column, or two, and another for the label, not {', '.join([*texts, label])}")
    fields = FIELDS[len(texts)]
    columns = {field: column for field, column in zip((*fields, "label"), (*texts, label), strict=True) if field != column}
    lines = [f"{_title(column)}: {{{field}}}" for field, column in zip(fields, texts, strict=True)]
    template = "\n".join([*([instruction] if instruction else []), *lines, f"{_title(label)}: {{answer}}"])
    source = Source(
        path=path,
        columns=columns,
        unlabelled=("",) if "" in dataset.values(label) else (),
        empty_texts="skip" if any("" in dataset.values(column) for column in texts) else "refuse",
    )
    summary = f"{_title(label)} of {dataset.path.name}: {len({*words.values()})} classes, {len(dataset.rows):,} rows."
    try:
        return Task(name=dataset.name, summary=summary, template=template, labels=dict(words), data=source)
    except ValueError as error:
        raise InputError(f"{dataset.path}: {error}") from error


def check_columns(dataset: Dataset, *columns: str) -> None:
    """Check that the data have these columns.

    Raises:
        InputError: a column is missing.
    """
    if missing := [column for column in columns if column not in dataset.columns]:
        raise InputError(f"{dataset.path} has no column {missing[0]!r}; columns: {_column_list(dataset)}")


def _usual_column(dataset: Dataset, names: Sequence[str]) -> str:
    """Return the column with the first of the names that any column has, whatever its case, or ""."""
    columns = {column.strip().lower(): column for column in reversed(dataset.columns)}
    return next((columns[name] for name in names if name in columns), "")


def _column_list(dataset: Dataset) -> str:
    return ", ".join(dataset.columns)


def _label_order(label: str) -> tuple[float, str]:
    return (float(label), "") if re.fullmatch(r"-?\d{1,9}(\.0)?", label) else (float("inf"), label)


def _title(column: str) -> str:
    words = re.sub(r"[{}_\s]+", " ", column).strip() or "text"
    return words[0].upper() + words[1:]
