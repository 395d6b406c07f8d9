"""Asks an endpoint for the scores of label words of any number of tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dfo_prompt.contracts.endpoint import Endpoint, Form, Label, Row
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError
from dfo_prompt.types import Matrix


@dataclass(frozen=True, kw_only=True)
class Words:
    """Label words in the tokens of a model.

    Attributes:
        labels: (C,) tokens of each class's word.
        ids: function from a text to token ids, including special tokens; None without a tokenizer.
    """

    labels: tuple[tuple[Label, ...], ...]
    ids: Callable[[str], Sequence[int]] | None = None


class Asker:
    """Scores label words after texts; a word's score is the sum of its tokens' log-probabilities.

    Rows are token ids if the endpoint takes them and there is a tokenizer, else texts.

    Args:
        endpoint: the endpoint, which is probed here.
        words: the label words.

    Raises:
        InputError: the endpoint takes neither form of rows, or cannot score the labels.
        OutageError: the endpoint does not answer.
    """

    def __init__(self, endpoint: Endpoint, words: Words) -> None:
        self.capabilities = endpoint.probe(list(dict.fromkeys(label for word in words.labels for label in word)))
        forms = self.capabilities.forms
        self._ids = words.ids if Form.TOKENS in forms else None
        if self._ids is None and Form.TEXT not in forms:
            raise InputError(f"texts as prompts need an endpoint that takes texts, not only {', '.join(sorted(forms))}")
        if self.capabilities.normalised and (long := [word for word in words.labels if len(word) > 1]):
            word = "".join(label.text for label in long[0])
            raise InputError(
                f"the endpoint compares labels of one token only, and {word!r} has {len(long[0])}; change the task"
            )
        self._endpoint, self._words = endpoint, words.labels
        self._first = list(dict.fromkeys(word[0] for word in words.labels))

    @property
    def most_further(self) -> int:
        """Return the largest number of tokens of a word that follow a text in a row: all but the last."""
        return max(map(len, self._words)) - 1

    def scores(self, texts: Sequence[str]) -> tuple[Matrix, int, Usage]:
        """Score the words after N texts.

        Returns:
            The scores (N, C), the number of token scores that are only upper bounds, and the usage.

        Raises:
            OutageError: see `Endpoint.score`.
        """
        first = self._endpoint.score([self.row(text) for text in texts], self._first)
        logs = np.stack([first.logs[:, self._first.index(word[0])] for word in self._words], axis=1)
        bounded, usage = int(first.bounds.sum()), first.usage
        for column, word in enumerate(self._words):
            for length in range(1, len(word)):
                later = self._endpoint.score([self.row(text, word[:length]) for text in texts], [word[length]])
                logs[:, column] += later.logs[:, 0]
                bounded += int(later.bounds.sum())
                usage += later.usage
        return logs, bounded, usage

    def estimate(self, texts: Sequence[str], most_tokens: int | None) -> Usage:
        """Return an upper bound on the usage of `scores` for these texts, of which rows of token ids keep `most_tokens`."""
        rows = [self.row(text, most_tokens=most_tokens) for text in texts]
        usage = self._endpoint.estimate(rows)
        for word in self._words:
            for length in range(1, len(word)):
                longer = [self.row(text, word[:length], most_tokens=most_tokens) for text in texts]
                usage += self._endpoint.estimate(longer)
        return usage

    def row(self, text: str, answer: Sequence[Label] = (), *, most_tokens: int | None = None) -> Row:
        """Return the row for a text, of which token ids keep the first `most_tokens`, and the first tokens of an answer."""
        if self._ids is None:
            return text + "".join(label.text for label in answer)
        ids = [label.token for label in answer]
        return (*self._ids(text)[:most_tokens], *(token for token in ids if token is not None))

    def size(self, text: str) -> int:
        """Return the number of tokens of a text, or an upper bound on it without a tokenizer."""
        row = self.row(text)
        return len(row) if isinstance(row, tuple) else self._endpoint.estimate([row]).tokens
