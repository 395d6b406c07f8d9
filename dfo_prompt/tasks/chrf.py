"""The metric chrF (Popovic, 2015), computed by sacrebleu, which is an extra."""

from collections.abc import Sequence

from sacrebleu.metrics.chrf import CHRF

PERCENT = 100.0
"""The largest score of sacrebleu."""


def chrf(answers: Sequence[str], references: Sequence[str]) -> float:
    """Return the corpus chrF2 of N answers, 0 to 1: F-score (beta = 2) of character n-grams up to n = 6."""
    return float(CHRF().corpus_score(answers, [references]).score) / PERCENT
