"""Feedback: labelled examples that a training split grows by, such as those that a service collected."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from dfo_prompt._util.reading import read_bytes
from dfo_prompt.errors import DataError
from dfo_prompt.tasks.examples import Example, read_examples
from dfo_prompt.tasks.reading import SourceRows
from dfo_prompt.tasks.sampling import AMBIGUOUS, FewShot, distinct_examples
from dfo_prompt.tasks.task import Task


def grow(task: Task, split: FewShot, path: Path) -> FewShot:
    """Return the split with the examples of a file added to its training part; dev and test stay what they are.

    Skipped, and counted in the report, are copies, texts with two labels, and texts of any part of the split: those of dev
    and test would leak into training, in capitals or with other spaces too.

    Args:
        task: names classes and columns.
        split: to grow.
        path: a CSV, TSV or JSONL file with the columns of the task's data.

    Raises:
        DataError: the file cannot be read, a row is malformed or has an unknown label, or nothing is left to add.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; give one file of labelled examples")
    digest = sha256(read_bytes(path, kind=DataError)).hexdigest()
    read = read_examples(task, path)
    given = read.train
    distinct = distinct_examples(given)
    skipped = _repeated(given, distinct, AMBIGUOUS[task.answer is not None])
    held_out, train = ({_key(example) for example in part} for part in ((*split.dev, *split.test), split.train))
    added = []
    for example in distinct:
        reason = "in dev or test" if _key(example) in held_out else "in train" if _key(example) in train else ""
        skipped[reason] += 1
        if not reason:
            added.append(example)
    del skipped[""]
    rows = read.report.train if read.report else SourceRows(source=path.name, read=len(given))
    account = rows.without(dict(sorted(skipped.items())))
    if not added:
        raise DataError(f"{path} adds no example: {account}")
    return replace(
        split,
        train=(*split.train, *added),
        added=len(added),
        feedback=digest,
        report=split.report and replace(split.report, feedback=account),
    )


def _repeated(given: Iterable[Example], distinct: Iterable[Example], ambiguous: str) -> Counter[str]:
    """Count the examples that `distinct_examples` leaves out, by reason."""
    kept = {example.texts for example in distinct}
    reasons: Counter[str] = Counter()
    for texts, count in Counter(example.texts for example in given).items():
        reasons["copies" if texts in kept else ambiguous] += count - (texts in kept)
    return reasons


def _key(example: Example) -> tuple[str, ...]:
    return tuple(" ".join(text.split()).casefold() for text in example.texts)
