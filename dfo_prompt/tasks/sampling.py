"""k-shot splits: k examples a class to train on, the next k to choose on, unseen ones to test on."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dfo_prompt.errors import DataError, InputError
from dfo_prompt.tasks.examples import Example, Splits
from dfo_prompt.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class FewShot:
    """The examples of one study: k a class in `train`, k a class in `dev`, and `test`, which shares no text with them."""

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]

    def part(self, split: str) -> tuple[Example, ...]:
        """Return the examples of "train", "dev" or "test"."""
        return {"train": self.train, "dev": self.dev, "test": self.test}[split]

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of texts and labels, in hexadecimal."""
        content = [[(example.texts, example.label) for example in part] for part in (self.train, self.dev, self.test)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def sample(task: Task, splits: Splits, *, shots: int, seed: int, test_examples: int | None = None) -> FewShot:
    """Draw a k-shot split.

    The same seed draws the same texts whatever the order of rows and classes; the training examples of fewer shots are among
    those of more, and so are fewer test examples. In training rows, texts that occur twice count once, and those with
    two labels not at all; a test file is taken as it is, but for texts that were drawn to train or dev.

    Args:
        task: names the classes.
        splits: as `read_examples` gives them.
        shots: k, examples a class.
        seed: of the draw, any integer >= 0.
        test_examples: test on at most this many.

    Raises:
        InputError: `shots` or `test_examples` is below 1.
        DataError: a class has fewer than 2k examples, or none is left to test on.
    """
    if min(shots, test_examples or 1) < 1 or test_examples == 0:
        raise InputError(f"shots and test_examples must be at least 1, not {shots} and {test_examples}")
    rng = np.random.default_rng(seed)
    train, dev, rest = _deal(task, _shuffled(_distinct(splits.train), rng), shots)
    seen = {example.texts for example in (*train, *dev)}
    given = rest if splits.test is None else _shuffled(sorted(splits.test), rng)
    test = tuple(example for example in given if example.texts not in seen)[:test_examples]
    if not test:
        raise DataError(f"task {task.name!r}: no example is left to test on; give more, or a test file")
    return FewShot(train=train, dev=dev, test=test)


def _distinct(examples: Iterable[Example]) -> list[Example]:
    labels: dict[tuple[str, ...], set[int]] = {}
    for example in examples:
        labels.setdefault(example.texts, set()).add(example.label)
    return [Example(texts=texts, label=min(found)) for texts, found in sorted(labels.items()) if len(found) == 1]


def _shuffled(examples: Sequence[Example], rng: np.random.Generator) -> list[Example]:
    return [examples[i] for i in rng.permutation(len(examples))]


def _deal(task: Task, examples: Iterable[Example], shots: int) -> tuple[tuple[Example, ...], ...]:
    parts: tuple[list[Example], ...] = ([], [], [])
    have: Counter[int] = Counter()
    for example in examples:
        parts[min(have[example.label] // shots, 2)].append(example)
        have[example.label] += 1
    for label, name in enumerate(task.classes):
        if have[label] < 2 * shots:
            raise DataError(
                f"task {task.name!r}: class {name!r} has {have[label]} distinct examples to draw from; {shots} shots need"
                f" {2 * shots}, half of them for dev"
            )
    return tuple(map(tuple, parts))
