"""Converts labelled texts from lists or data frames to a task: a task file and its examples in a folder."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfo_prompt._util.durable import replacing, writing
from dfo_prompt._util.reading import exists, read_bytes
from dfo_prompt.api.columns import check_list, check_lists, is_frame, listed, split_columns
from dfo_prompt.errors import DataError, InputError
from dfo_prompt.tasks.examples import Example
from dfo_prompt.tasks.sampling import class_sizes, distinct_examples, usual_shots
from dfo_prompt.tasks.sections import Source
from dfo_prompt.tasks.task import MIN_CLASSES, Task
from dfo_prompt.tasks.template import FIELDS
from dfo_prompt.tasks.writing import toml_of

NOTES = logging.getLogger(__name__)
QUESTION = "Category: {answer}"


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Labelled texts.

    Attributes:
        texts: (N,) rows of one text, or of a pair of texts.
        labels: (N,) the caller's labels.
    """

    texts: tuple[tuple[str, ...], ...]
    labels: tuple[Any, ...]

    @property
    def classes(self) -> dict[str, Any]:
        """Return the distinct labels by name, sorted by name."""
        return dict(sorted({name_of(label): label for label in self.labels}.items()))

    def shots(self, words: Mapping[str, str], *, parts: int) -> int:
        """Return the number of training examples per class, at most 16, that leaves as many for each other part."""
        classes = list(dict.fromkeys(words.values()))
        distinct = distinct_examples(self._examples(words, classes))
        return usual_shots(class_sizes(distinct, len(classes)), parts=parts)

    def _examples(self, words: Mapping[str, str], classes: Sequence[str]) -> Iterator[Example]:
        for row, label in zip(self.texts, self.labels, strict=True):
            yield Example(texts=tuple(text.strip() for text in row), label=classes.index(words[name_of(label)]))

    def lines(self) -> bytes:
        """Return the rows as JSON lines for `read_examples`."""
        fields = FIELDS[len(self.texts[0])]
        rows = [
            dict(zip((*fields, "label"), (*texts, name_of(label)), strict=True))
            for texts, label in zip(self.texts, self.labels, strict=True)
        ]
        return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def labelled(texts: Any, labels: Any, *, where: str) -> Labelled:
    """Check labelled texts.

    Args:
        texts: N texts, or pairs of texts; or a data frame (pandas, polars, pyarrow, a Hugging Face data set) whose columns,
            except that of the labels, are the texts.
        labels: N labels: texts, numbers or other objects with a distinct text form; for a data frame, their column's name.
        where: name of the caller, for errors.

    Raises:
        DataError: a row has no text or no label, the numbers of rows differ, or texts and labels cannot be paired.
    """
    if is_frame(texts):
        texts, labels = split_columns(texts, labels, where)
    check_lists(texts, labels, where)
    texts, labels = listed(texts), listed(labels)
    rows, values = tuple(_row(text, index, where) for index, text in enumerate(texts)), tuple(map(_plain, labels))
    if len(rows) != len(values):
        raise DataError(f"{where}: there are {len(rows)} texts and {len(values)} labels")
    if not rows:
        raise DataError(f"{where}: there are no texts")
    if odd := [index for index, row in enumerate(rows) if len(row) != len(rows[0])]:
        raise DataError(f"{where}: row {odd[0]} has {len(rows[odd[0]])} texts, row 0 has {len(rows[0])}")
    for index, label in enumerate(values):
        _check_label(label, index, where)
    by_name: dict[str, Any] = {}
    for label in values:
        if by_name.setdefault(name_of(label), label) != label:
            raise DataError(f"{where}: labels {by_name[name_of(label)]!r} and {label!r} have the same name; rename one")
    return Labelled(texts=rows, labels=values)


def name_of(label: object) -> str:
    """Return the text that stands for a label in files."""
    return str(label).strip()


def write_task(
    folder: Path, train: Labelled, test: Labelled | None, *, words: Mapping[str, str], template: str, metric: str
) -> Path:
    """Write a task file and its examples, and return its path.

    Raises:
        InputError: the task is invalid, or the folder holds another task or other examples.
        StudyError: a file cannot be written.
    """
    source = Source(path="data") if test else Source(path="data", test="")
    about = "Labelled texts from Python."
    try:
        task = Task(name="task", summary=about, template=template, metric=metric, labels=dict(words), data=source)
    except ValueError as error:
        raise InputError(f"the task of these texts is not sound: {error}") from error
    files = {folder / "data" / "train.jsonl": train.lines(), folder / "task.toml": toml_of(task).encode()}
    files |= {folder / "data" / "test.jsonl": test.lines()} if test else {}
    for file, content in files.items():
        if exists(file) and read_bytes(file) != content:
            raise InputError(f"{folder} holds other texts, labels or templates in {file.name}; choose another out")
    with writing(folder):
        (folder / "data").mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            with replacing(file) as opened:
                opened.write(content)
    return folder / "task.toml"


def words_of(train: Labelled, custom: Mapping[Any, str] | None, *, where: str) -> dict[str, str]:
    """Return the label word of each class: the custom ones, or by default the names of the classes.

    Raises:
        InputError: a class has no word, or a word has no class.
        DataError: there is only one class.
    """
    classes = train.classes
    if len(classes) < MIN_CLASSES:
        raise DataError(f"{where}: every text has the label {next(iter(classes))!r}; two classes are needed")
    if custom is None:
        if all(not any(map(str.isalpha, name)) for name in classes):
            NOTES.warning(
                "%s: label words without letters: %.40s; words={LABEL: WORD} sets others", where, ", ".join(classes)
            )
        return {name: name for name in classes}
    if not isinstance(custom, Mapping) or not all(isinstance(word, str) for word in custom.values()):
        raise InputError(f"{where}: words must be a dict with a text for each of {', '.join(classes)}")
    words = {name_of(_plain(label)): word for label, word in custom.items()}
    if odd := sorted(words.keys() ^ classes.keys()):
        problem = "has no label word" if odd[0] in classes else "is no label of the texts"
        raise InputError(f"{where}: words: {odd[0]!r} {problem}; the labels are {', '.join(classes)}")
    return {name: words[name] for name in classes}


def template_for(train: Labelled) -> str:
    """Return the default template."""
    return "".join(f"{{{field}}}\n" for field in FIELDS[len(train.texts[0])]) + QUESTION


def rows_of(texts: Iterable[Any], *, where: str) -> list[tuple[str, ...]]:
    """Return the texts of each row.

    Raises:
        DataError: a row holds something other than texts, or `texts` is no list of rows.
    """
    if is_frame(texts):
        advice = "give its text column, or a list of pairs for two"
        raise DataError(f"{where}: texts must be a list, not a {type(texts).__name__}; {advice}")
    check_list("texts", texts, where)
    return [_row(text, index, where) for index, text in enumerate(listed(texts))]


def _check_label(label: Any, index: int, where: str) -> None:
    if _is_missing(label) or not name_of(label):
        raise DataError(f"{where}: row {index} has no label; leave it out")
    if isinstance(label, Mapping | Set | Sequence) and not isinstance(label, str):
        raise DataError(f"{where}: row {index} has {label!r:.40} where a label must be; a text has one label")


def _is_missing(value: Any) -> bool:
    """Tell whether a value is None, NaN, or the NA or NaT of pandas."""
    try:
        return value is None or bool(value != value)  # noqa: PLR0124 - NaN
    except TypeError:  # NA is neither equal nor unequal to itself
        return True


def _row(texts: Any, index: int, where: str) -> tuple[str, ...]:
    texts = texts.tolist() if hasattr(texts, "tolist") else texts
    several = isinstance(texts, Sequence) and not isinstance(texts, str | bytes)
    row: Sequence[Any] = tuple(texts) if several else (texts,)
    for text in row:
        if not isinstance(text, str) or not text.strip():
            missing = _is_missing(text) or isinstance(text, str)
            advice = "leave the row out" if missing else "convert it with str(), or decode bytes"
            raise DataError(f"{where}: row {index} has {text!r:.40} where a text must be; {advice}")
    if len(row) not in FIELDS:
        raise DataError(f"{where}: row {index} has {len(row)} texts; one, or a pair of them, can be labelled")
    return tuple(row)


def _plain(label: Any) -> Any:
    """Convert a scalar of NumPy or pandas to a Python object, and an array with several elements to a list."""
    if not hasattr(label, "item"):
        return label
    return label.item() if getattr(label, "size", 1) == 1 else label.tolist()
