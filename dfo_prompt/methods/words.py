"""Words of the training texts that tell classes apart: more sets of label words than a task has, for nothing."""

import re
from collections import Counter

from dfo_prompt.methods.heads import Labels
from dfo_prompt.tasks.examples import Texts

WORD = re.compile(r"[^\W\d_]{3,}")


def telling_words(texts: Texts, labels: Labels, classes: int, *, sets: int) -> list[tuple[str, ...]]:
    """Return at most that many sets of a word for each class, the most telling first.

    A word tells the more of a class the more of its texts hold it beyond the mean over the classes.
    """
    counts: list[Counter[str]] = [Counter() for _ in range(classes)]
    for text, label in zip(texts, labels, strict=True):
        counts[label].update(set(WORD.findall(" ".join(text))))
    total = sum(counts, Counter[str]())
    return list(zip(*(_ranked(count, total, classes)[:sets] for count in counts), strict=False))


def _ranked(count: Counter[str], total: Counter[str], classes: int) -> list[str]:
    return sorted(count, key=lambda word: (total[word] / classes - count[word], word))
