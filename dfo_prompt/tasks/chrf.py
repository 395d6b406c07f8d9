"""chrF (Popovic, 2015) by sacrebleu, an extra."""

from collections.abc import Sequence

from sacrebleu.metrics.chrf import CHRF

PERCENT = 100.0


def chrf(answers: Sequence[str], references: Sequence[str]) -> float:
    """Return the corpus chrF2 of N answers, from 0 to 1: F-score of n-grams of up to 6 characters, recall counted twice."""
    return float(CHRF().corpus_score(answers, [references]).score) / PERCENT
