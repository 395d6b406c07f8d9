"""Adds feedback, labelled examples such as those that a service collected, to a training split."""

from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from dfo_prompt._util.reading import read_bytes
from dfo_prompt.errors import DataError
from dfo_prompt.tasks.examples import Example, read_examples
from dfo_prompt.tasks.row_counts import SourceRows
from dfo_prompt.tasks.sampling import FewShot, distinct_examples, repeated
from dfo_prompt.tasks.task import Task


def add_feedback(task: Task, split: FewShot, path: Path) -> FewShot:
    """Return the split with the examples of a file added to its training examples; dev and test do not change.

    Copies, texts with two labels, and texts of the split are skipped and counted in the report: dev and test texts would
    leak into training, even in other case or spacing.

    Args:
        task: the task, which names classes and columns.
        split: the few-shot split.
        path: a data file with the columns of the task; see `dfo_prompt.tasks.formats.SUFFIXES`.

    Raises:
        DataError: the file cannot be read, a row is malformed or has an unknown label, or no example can be added.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; give one file of labelled examples")
    digest = sha256(read_bytes(path, kind=DataError)).hexdigest()
    feedback = read_examples(task, path)
    distinct = distinct_examples(feedback.train)
    skipped = Counter(repeated(task, feedback.train, distinct))
    held_out, train = ({_normalised(example) for example in part} for part in ((*split.dev, *split.test), split.train))
    added = []
    for example in distinct:
        reason = (
            "in dev or test" if _normalised(example) in held_out else "in train" if _normalised(example) in train else ""
        )
        skipped[reason] += 1
        if not reason:
            added.append(example)
    del skipped[""]
    read = feedback.report.train if feedback.report else SourceRows(source=path.name, read=len(feedback.train))
    rows = read.without(dict(sorted(skipped.items())))
    if not added:
        raise DataError(f"{path} adds no example: {rows}")
    return replace(
        split,
        train=(*split.train, *added),
        added=len(added),
        feedback=digest,
        report=split.report and replace(split.report, feedback=rows),
    )


def _normalised(example: Example) -> tuple[str, ...]:
    """Return the texts of an example in lower case, with single spaces."""
    return tuple(" ".join(text.split()).casefold() for text in example.texts)
