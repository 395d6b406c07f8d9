"""Drafts a task from data: which columns are text and label, which classes there are, which words stand for them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dfo_prompt.errors import DataError, InputError
from dfo_prompt.tasks.files import find_split, read_class_folders
from dfo_prompt.tasks.formats import kind_of, read_rows
from dfo_prompt.tasks.rows import Row
from dfo_prompt.tasks.task import BINARY, Source, Task

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
MOST_CLASSES = 100
FIELDS = {1: ("text",), 2: ("text_a", "text_b")}


@dataclass(frozen=True, kw_only=True)
class Found:
    """The rows of the file, or folder, that a task is drafted from.

    Attributes:
        path: as given.
        rows: the cells of each row, by column.
    """

    path: Path
    rows: Sequence[Mapping[str, str]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of all columns, in order."""
        return tuple(dict.fromkeys(column for row in self.rows for column in row))

    @property
    def name(self) -> str:
        """Return the name of the file or folder, without what tells its kind."""
        name = self.path.absolute().name
        return name[: len(name) - len("".join(Path(name).suffixes))] if kind_of(self.path) else name

    def values(self, column: str) -> list[str]:
        """Return a column's text of each row; "" where a row lacks it."""
        return [row.get(column, "").strip() for row in self.rows]

    def classes(self, column: str) -> dict[str, int]:
        """Return how many rows have each label, integers in their order, other labels by name.

        Raises:
            DataError: there are fewer than two labels, or too many for classes.
        """
        counts = Counter(value for value in self.values(column) if value)
        if not BINARY <= len(counts) <= MOST_CLASSES:
            advice = f"a label has 2 to {MOST_CLASSES}; name another column with --label-column"
            raise DataError(f"{self.path}: column {column!r} has {len(counts):,} different values; {advice}")
        return dict(sorted(counts.items(), key=lambda item: _order(item[0])))


def look(path: Path) -> Found:
    """Read the rows that a task is drafted from: of a file, of the training split of a folder, or of class folders.

    Raises:
        DataError, InputError: see `dfo_prompt.tasks.formats.read_rows`.
    """
    usual = Source()
    if path.is_dir() and (train := find_split(path, usual.train)) is None:
        rows: Iterator[Row] = read_class_folders(path, encoding=usual.encoding, first_line=False)
    else:
        rows = read_rows(train if path.is_dir() and train else path, encoding=usual.encoding)
    found = Found(path=path, rows=[row.cells for row in rows if not row.skip])
    if not found.rows:
        raise DataError(f"{path} holds no rows")
    return found


def likely_label(found: Found) -> str:
    """Return the column that looks like the label: by its name, else the one with the fewest values that repeat.

    Raises:
        InputError: none does.
    """
    if named := _named(found, LABEL_NAMES):
        return named
    few = {column: len({*values}) for column in found.columns if (values := [v for v in found.values(column) if v])}
    limit = min(MOST_CLASSES, len(found.rows) // 2)
    likely = [column for column, count in few.items() if BINARY <= count <= limit]
    if not likely:
        raise InputError(f"{found.path}: no column looks like a label; name it with --label-column: {_listed(found)}")
    return min(likely, key=few.__getitem__)


def likely_text(found: Found, label: str) -> str:
    """Return the column that looks like the text: by its name, else the longest one.

    Raises:
        InputError: there is no other than the label.
    """
    others = [column for column in found.columns if column != label]
    if not others:
        raise InputError(f"{found.path} has no column beside {label!r}; a task needs a text and a label")
    named = _named(found, TEXT_NAMES)
    return named if named in others else max(others, key=lambda column: sum(map(len, found.values(column))))


def words_of(classes: Mapping[str, int], given: str) -> dict[str, str]:
    """Return the label word of each label: those given, else the labels themselves.

    Args:
        classes: from `Found.classes`.
        given: "good,bad", in the order of the labels; or "1=good,0=bad"; or "" for none.

    Raises:
        InputError: there are more words than labels, or fewer, or a label is unknown.
    """
    if not given:
        readable = {label: label.replace("_", " ").strip() or label for label in classes}
        return readable if len({*readable.values()}) == len(readable) else {label: label for label in classes}
    parts = [part.strip() for part in given.split(",")]
    pairs = dict(part.split("=", 1) for part in parts) if all("=" in part for part in parts) else {}
    words = {label.strip(): word.strip() for label, word in pairs.items()}
    if not words and len(parts) == len(classes):
        same = {*parts} == {*classes}
        words = dict(zip(parts if same else classes, parts, strict=True))
    if words.keys() != classes.keys() or not all(words.values()):
        raise InputError(f"--labels {given!r}: give a word for each of {', '.join(classes)}, in this order or as LABEL=WORD")
    return {label: words[label] for label in classes}


def draft(
    found: Found, *, texts: Sequence[str], label: str, words: Mapping[str, str], instruction: str = "", path: str = ""
) -> Task:
    """Return the task of labelling these rows.

    Args:
        found: the rows.
        texts: the columns of the text, or of both texts of a pair.
        label: the column of the label.
        words: the label word of each label.
        instruction: goes ahead of the text, if there is any.
        path: of the data, relative to the task file.

    Raises:
        InputError: a column is missing, or the task would not be sound.
    """
    check_columns(found, *texts, label)
    if len(texts) not in FIELDS or len({*texts, label}) <= len(texts):
        raise InputError(f"a task has one text column, or two, and another for the label, not {', '.join([*texts, label])}")
    fields = FIELDS[len(texts)]
    columns = {field: column for field, column in zip((*fields, "label"), (*texts, label), strict=True) if field != column}
    lines = [f"{_title(column)}: {{{field}}}" for field, column in zip(fields, texts, strict=True)]
    template = "\n".join([*([instruction] if instruction else []), *lines, f"{_title(label)}: {{answer}}"])
    source = Source(
        path=path,
        columns=columns,
        unlabelled=("",) if "" in found.values(label) else (),
        empty_texts="skip" if any("" in found.values(column) for column in texts) else "refuse",
    )
    summary = f"{_title(label)} of {found.path.name}: {len({*words.values()})} classes, {len(found.rows):,} rows."
    try:
        return Task(name=found.name, summary=summary, template=template, labels=dict(words), data=source)
    except ValueError as error:
        raise InputError(f"{found.path}: {error}") from error


def check_columns(found: Found, *columns: str) -> None:
    """Refuse columns that the data do not have.

    Raises:
        InputError: one is missing.
    """
    if missing := [column for column in columns if column not in found.columns]:
        raise InputError(f"{found.path} has no column {missing[0]!r}; columns: {_listed(found)}")


def _named(found: Found, names: Sequence[str]) -> str:
    columns = {column.strip().lower(): column for column in reversed(found.columns)}
    return next((columns[name] for name in names if name in columns), "")


def _listed(found: Found) -> str:
    return ", ".join(found.columns)


def _order(label: str) -> tuple[float, str]:
    return (float(label), "") if re.fullmatch(r"-?\d{1,9}(\.0)?", label) else (float("inf"), label)


def _title(column: str) -> str:
    words = re.sub(r"[{}_\s]+", " ", column).strip() or "text"
    return words[0].upper() + words[1:]
