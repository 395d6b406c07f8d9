"""Finds words of the training texts that distinguish classes, as further sets of label words without queries."""

import re
from collections import Counter

from dfo_prompt.methods.heads import Labels
from dfo_prompt.tasks.examples import Texts

LETTERS = re.compile(r"[^\W\d_]{3,}")


def distinctive_words(texts: Texts, labels: Labels, classes: int, *, sets: int) -> list[tuple[str, ...]]:
    """Return at most `sets` sets with a word per class, the most distinctive first.

    A word is the more distinctive of a class the more of its texts contain it beyond the mean over the classes.
    """
    counts: list[Counter[str]] = [Counter() for _ in range(classes)]
    for text, label in zip(texts, labels, strict=True):
        counts[label].update(set(LETTERS.findall(" ".join(text))))
    total = sum(counts, Counter[str]())
    return list(zip(*(_ranked(count, total, classes)[:sets] for count in counts), strict=False))


def _ranked(count: Counter[str], total: Counter[str], classes: int) -> list[str]:
    return sorted(count, key=lambda word: (total[word] / classes - count[word], word))
