"""Scores label words of any number of tokens with an endpoint."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np

from dfo_prompt.contracts.endpoint import Capabilities, Endpoint, Label, Row
from dfo_prompt.contracts.usage import Usage, UsageMeter
from dfo_prompt.errors import InputError
from dfo_prompt.types import Matrix

LabelWords: TypeAlias = tuple[tuple[Label, ...], ...]
"""The tokens of the C label words."""
RowsBefore: TypeAlias = Callable[[int, int], Sequence[Row]]
"""Maps a word's index and a number K to N rows that end with the first K tokens of the word; with K = 0, of any word."""


class WordScorer:
    """Scores label words; a word's score is the sum of its tokens' log-probabilities.

    A request scores the first tokens of all words, and one each further token of a word.

    Args:
        endpoint: the endpoint.
        can: the capabilities that its probe found.
        words: the label words.

    Raises:
        InputError: the endpoint compares labels of one token only, or does not continue rows, and a word has several tokens.
    """

    def __init__(self, endpoint: Endpoint, can: Capabilities, words: LabelWords) -> None:
        if (can.normalised or not can.continues) and (long := [word for word in words if len(word) > 1]):
            name = "".join(label.text for label in long[0]).strip()
            does = "compares labels" if can.normalised else "replies to a text, so it scores labels"
            reason = f"endpoint {endpoint.describe()['kind']!r} {does} of one token only"
            raise InputError(f"{reason}, and {name!r} has {len(long[0])}; change the task or the endpoint")
        self._endpoint, self._words = endpoint, words
        self._first = distinct(word[0] for word in words)
        keys = [_key(label) for label in self._first]
        self._columns = [keys.index(_key(word[0])) for word in words]
        self._further = [(i, count) for i, word in enumerate(words) for count in range(1, len(word))]

    def scores(self, rows: RowsBefore, meter: UsageMeter) -> tuple[Matrix, int]:
        """Score the words after N rows, and add the usage to `meter`.

        Returns:
            The scores (N, C), and the number of the summed log-probabilities that are only upper bounds.

        Raises:
            OutageError: see `Endpoint.score`.
        """
        answer = self._endpoint.score(rows(0, 0), self._first)
        meter.add(answer.usage)
        scores, bounded = answer.logs[:, self._columns], int(answer.bounds[:, self._columns].sum())
        for i, count in self._further:
            answer = self._endpoint.score(rows(i, count), [self._words[i][count]])
            meter.add(answer.usage)
            scores[:, i] += answer.logs[:, 0]
            bounded += int(answer.bounds.sum())
        return np.asarray(scores, dtype=np.float64), bounded

    def estimate(self, rows: RowsBefore) -> Usage:
        """Return an upper bound on the usage of one attempt at each request of `scores`."""
        return sum((self._endpoint.estimate(rows(i, count)) for i, count in [(0, 0), *self._further]), Usage())


def distinct(labels: Iterable[Label]) -> list[Label]:
    """Return the first label of each token; two words may begin with the same part of a character."""
    found: dict[int | str, Label] = {}
    for label in labels:
        found.setdefault(_key(label), label)
    return [*found.values()]


def _key(label: Label) -> int | str:
    return label.text if label.token is None else label.token
