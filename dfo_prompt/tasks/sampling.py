"""Draws k-shot splits: k examples per class for train, k for dev, and unseen ones for test.

Examples whose answers are texts are all of one class: k for train, and k for dev.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from dfo_prompt.errors import DataError, InputError
from dfo_prompt.tasks.examples import Example, Splits
from dfo_prompt.tasks.reading import ReadReport
from dfo_prompt.tasks.task import Task

AMBIGUOUS = {False: "with two labels", True: "with two answers"}
"""Why texts are left out, by whether answers are texts."""


@dataclass(frozen=True, kw_only=True)
class FewShot:
    """The examples of one study: k a class in `train`, k a class in `dev`, and `test`, which shares no text with them.

    Attributes:
        added: how many of the last training examples came as feedback; they are beyond the k a class.
        feedback: SHA-256 of the file that they came in; "" without any.
        report: what became of the rows that all were drawn from.
    """

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]
    added: int = 0
    feedback: str = ""
    report: ReadReport | None = None

    @property
    def drawn(self) -> Self:
        """Return the split as it was drawn, without feedback."""
        report = self.report and replace(self.report, feedback=None)
        return replace(self, train=self.train[: len(self.train) - self.added], added=0, feedback="", report=report)

    def part(self, split: str) -> tuple[Example, ...]:
        """Return the examples of "train", "dev" or "test"."""
        return {"train": self.train, "dev": self.dev, "test": self.test}[split]

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of texts and labels, or answers, in hexadecimal."""
        content = [[_content(example) for example in part] for part in (self.train, self.dev, self.test)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def sample(task: Task, splits: Splits, *, shots: int, seed: int, test_examples: int | None = None) -> FewShot:
    """Draw a k-shot split.

    The same seed draws the same texts whatever the order of rows and classes; the training examples of fewer shots are among
    those of more, and so are fewer test examples. In training rows, texts that occur twice count once, and those with
    two labels, or answers, not at all; a test file is taken as it is, but for texts that were drawn to train or dev.

    Args:
        task: names the classes.
        splits: as `read_examples` gives them.
        shots: k, examples a class, or of all where answers are texts.
        seed: of the draw, any integer >= 0.
        test_examples: test on at most this many.

    Raises:
        InputError: `shots` or `test_examples` is below 1.
        DataError: a class has fewer than 2k examples, or none is left to test on.
    """
    if min(shots, test_examples or 1) < 1 or test_examples == 0:
        raise InputError(f"shots and test_examples must be at least 1, not {shots} and {test_examples}")
    rng = np.random.default_rng(seed)
    distinct = distinct_examples(splits.train)
    train, dev, rest = _deal(task, _shuffled(distinct, rng), shots)
    seen = {example.texts for example in (*train, *dev)}
    given = rest if splits.test is None else _shuffled(sorted(splits.test), rng)
    unseen = tuple(example for example in given if example.texts not in seen)
    if not unseen:
        raise DataError(f"task {task.name!r}: no example is left to test on; give more, or a test file")
    report = splits.report and _report(task, splits.report, splits, distinct, drawn=len(given) - len(unseen))
    return FewShot(train=train, dev=dev, test=unseen[:test_examples], report=report)


def distinct_examples(examples: Iterable[Example]) -> list[Example]:
    """Return examples in order, texts that occur twice once, and those with two labels, or answers, not at all."""
    labels: dict[tuple[str, ...], set[Example]] = {}
    for example in examples:
        labels.setdefault(example.texts, set()).add(example)
    return [min(found) for _, found in sorted(labels.items()) if len(found) == 1]


def _content(example: Example) -> tuple[object, ...]:
    return (example.texts, example.answer or example.label)


def _report(task: Task, report: ReadReport, splits: Splits, distinct: Sequence[Example], *, drawn: int) -> ReadReport:
    """Return the report without the examples that no part of a split can have; `drawn`: those of test in train or dev."""
    unambiguous = {example.texts for example in distinct}
    ambiguous = sum(example.texts not in unambiguous for example in splits.train)
    copies = len(splits.train) - ambiguous - len(distinct)
    train = report.train.without({"copies": copies, AMBIGUOUS[task.answer is not None]: ambiguous})
    test = report.test and report.test.without({"drawn to train or dev": drawn})
    return replace(report, train=train, test=test)


def _shuffled(examples: Sequence[Example], rng: np.random.Generator) -> list[Example]:
    return [examples[i] for i in rng.permutation(len(examples))]


def _deal(task: Task, examples: Iterable[Example], shots: int) -> tuple[tuple[Example, ...], ...]:
    parts: tuple[list[Example], ...] = ([], [], [])
    have: Counter[int] = Counter()
    for example in examples:
        parts[min(have[example.label] // shots, 2)].append(example)
        have[example.label] += 1
    for label, name in enumerate([f"class {name!r}" for name in task.classes] or ["it"]):
        if have[label] < 2 * shots:
            raise DataError(
                f"task {task.name!r}: {name} has {have[label]} distinct examples to draw from; {shots} shots need"
                f" {2 * shots}, half of them for dev"
            )
    return tuple(map(tuple, parts))
