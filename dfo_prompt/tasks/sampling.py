"""Draws k-shot splits: k examples per class for train, k for dev, and unseen examples for test.

Examples whose answers are texts count as one class.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.errors import DataError, InputError
from dfo_prompt.tasks.examples import Example, Splits
from dfo_prompt.tasks.row_counts import ReadReport
from dfo_prompt.tasks.task import Task

AMBIGUOUS = {False: "with two labels", True: "with two answers"}
"""Reason to leave out a text, for tasks with labels (False) and with texts as answers (True)."""


@dataclass(frozen=True, kw_only=True)
class FewShot:
    """A few-shot split: k examples per class for train and for dev, and a test split that shares no text with them.

    Attributes:
        train: training examples, k per class and then those from feedback.
        dev: development examples, k per class.
        test: test examples.
        added: number of training examples from feedback.
        feedback: SHA-256 of the feedback file; "" without feedback.
        report: counts of the rows that the examples were drawn from.
    """

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]
    added: int = 0
    feedback: str = ""
    report: ReadReport | None = None

    @property
    def drawn(self) -> Self:
        """Return the split without feedback."""
        report = self.report and replace(self.report, feedback=None)
        return replace(self, train=self.train[: len(self.train) - self.added], added=0, feedback="", report=report)

    def part(self, split: str) -> tuple[Example, ...]:
        """Return the examples of "train", "dev" or "test"."""
        return {"train": self.train, "dev": self.dev, "test": self.test}[split]

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of all texts with their labels or answers, in hexadecimal."""
        content = [[_content(example) for example in part] for part in (self.train, self.dev, self.test)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def sample(task: Task, splits: Splits, *, shots: int, seed: int, test_examples: int | None = None) -> FewShot:
    """Draw a k-shot split.

    A seed draws the same texts whatever the order of rows and classes. The training examples of fewer shots are a subset of
    those of more shots; the same holds for `test_examples`. In the training rows, copies count once, and texts with two
    labels or answers are left out; a test file is used as it is, except for texts drawn to train or dev.

    Args:
        task: the task, which names the classes.
        splits: all examples; see `read_examples`.
        shots: k, the number of examples per class, or in all if answers are texts.
        seed: seed of the draw, at least 0.
        test_examples: largest number of test examples; None for all.

    Raises:
        InputError: `shots` or `test_examples` is below 1.
        DataError: a class has fewer than 2k examples, or no example is left for the test split.
    """
    if min(shots, test_examples or 1) < 1 or test_examples == 0:
        raise InputError(f"shots and test_examples must be at least 1, not {shots} and {test_examples}")
    rng = np.random.default_rng(seed)
    distinct = distinct_examples(splits.train)
    train, dev, rest = _deal(task, _shuffled(distinct, rng), shots)
    seen = {example.texts for example in (*train, *dev)}
    pool = rest if splits.test is None else _shuffled(sorted(splits.test), rng)
    unseen = tuple(example for example in pool if example.texts not in seen)
    if not unseen:
        raise DataError(f"task {task.name!r}: no example is left to test on; give more examples, or a test file")
    report = report_of(task, splits, distinct, drawn=len(pool) - len(unseen))
    return FewShot(train=train, dev=dev, test=unseen[:test_examples], report=report)


def distinct_examples(examples: Iterable[Example]) -> list[Example]:
    """Return the examples sorted by text, without copies, and without texts that have two labels or answers."""
    by_texts: dict[tuple[str, ...], set[Example]] = {}
    for example in examples:
        by_texts.setdefault(example.texts, set()).add(example)
    return [min(same) for _, same in sorted(by_texts.items()) if len(same) == 1]


def class_sizes(distinct: Iterable[Example], classes: int) -> list[int]:
    """Return the number of examples of each class, (C,), given those of `distinct_examples` and the number of classes."""
    counts = Counter(example.label for example in distinct)
    return [counts[label] for label in range(classes)]


def repeated(task: Task, examples: Sequence[Example], distinct: Sequence[Example]) -> dict[str, int]:
    """Count the examples that `distinct_examples` leaves out, by reason."""
    unambiguous = {example.texts for example in distinct}
    ambiguous = sum(example.texts not in unambiguous for example in examples)
    return {"copies": len(examples) - ambiguous - len(distinct), AMBIGUOUS[task.answer is not None]: ambiguous}


def usual_shots(sizes: Sequence[int], *, parts: int) -> int:
    """Return the default number of shots, or the most that leaves as many examples of each class for each part, at least 1.

    Args:
        sizes: number of distinct examples of each class, (C,); see `class_sizes`.
        parts: number of parts to draw: 3 for train, dev and test, 2 if the test examples are given.
    """
    return max(1, min(ProblemConfig.shots, min(sizes) // parts))


def report_of(task: Task, splits: Splits, distinct: Sequence[Example], *, drawn: int = 0) -> ReadReport | None:
    """Return the row counts less copies and ambiguous texts, or None if `splits` has none.

    Args:
        task: the task.
        splits: all examples.
        distinct: `distinct_examples` of the training rows.
        drawn: number of test examples left out because they were drawn to train or dev.
    """
    if splits.report is None:
        return None
    train = splits.report.train.without(repeated(task, splits.train, distinct))
    test = splits.report.test and splits.report.test.without({"drawn to train or dev": drawn})
    return replace(splits.report, train=train, test=test)


def _content(example: Example) -> tuple[object, ...]:
    return (example.texts, example.answer or example.label)


def _shuffled(examples: Sequence[Example], rng: np.random.Generator) -> list[Example]:
    return [examples[i] for i in rng.permutation(len(examples))]


def _deal(task: Task, examples: Iterable[Example], shots: int) -> tuple[tuple[Example, ...], ...]:
    """Return k examples per class for train, k for dev, and the rest."""
    parts: tuple[list[Example], ...] = ([], [], [])
    dealt: Counter[int] = Counter()
    for example in examples:
        parts[min(dealt[example.label] // shots, 2)].append(example)
        dealt[example.label] += 1
    for label, name in enumerate([f"class {name!r}" for name in task.classes] or ["it"]):
        if dealt[label] < 2 * shots:
            advice = "add examples, or lower shots" if shots > 1 else "add examples"
            raise DataError(
                f"task {task.name!r}: {name} has {dealt[label]} distinct examples to draw from; {shots} shots need"
                f" {2 * shots}, half of them for dev; {advice}"
            )
    return tuple(map(tuple, parts))
