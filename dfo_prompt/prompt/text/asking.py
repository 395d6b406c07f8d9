"""Asks an endpoint for the scores of label words, whole however many tokens they are."""

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
        labels: the tokens of each class's word (C,).
        ids: from a text to token ids, special tokens included; None where no tokenizer is at hand.
    """

    labels: tuple[tuple[Label, ...], ...]
    ids: Callable[[str], Sequence[int]] | None = None


class Asker:
    """Scores label words after texts; a word's score is the sum of its tokens' log-probabilities.

    Rows are token ids where the endpoint takes them and a tokenizer is at hand, and texts elsewhere.

    Args:
        endpoint: probed here.
        words: what is asked for.

    Raises:
        InputError: the endpoint takes no rows that can be made, or cannot score labels.
        OutageError: it does not answer.
    """

    def __init__(self, endpoint: Endpoint, words: Words) -> None:
        self.capabilities = endpoint.probe(list(dict.fromkeys(label for word in words.labels for label in word)))
        forms = self.capabilities.forms
        self._ids = words.ids if Form.TOKENS in forms else None
        if self._ids is None and Form.TEXT not in forms:
            raise InputError(f"texts as prompts need an endpoint that takes texts, not only {', '.join(sorted(forms))}")
        if self.capabilities.normalised and (long := [word for word in words.labels if len(word) > 1]):
            said = "".join(label.text for label in long[0])
            raise InputError(
                f"the endpoint compares labels of one token only, and {said!r} has {len(long[0])}; change the task"
            )
        self._endpoint, self._words = endpoint, words.labels
        self._first = list(dict.fromkeys(word[0] for word in words.labels))

    def scores(self, texts: Sequence[str]) -> tuple[Matrix, int, Usage]:
        """Return the scores (N, C) of the words after N texts, how many tokens had a bound only, and what they took.

        Raises:
            OutageError: see `Endpoint.score`.
        """
        found = self._endpoint.score([self.row(text) for text in texts], self._first)
        logs = np.stack([found.logs[:, self._first.index(word[0])] for word in self._words], axis=1)
        bounded, usage = int(found.bounds.sum()), found.usage
        for column, word in enumerate(self._words):
            for said in range(1, len(word)):
                more = self._endpoint.score([self.row(text, word[:said]) for text in texts], [word[said]])
                logs[:, column] += more.logs[:, 0]
                bounded += int(more.bounds.sum())
                usage += more.usage
        return logs, bounded, usage

    def estimate(self, texts: Sequence[str]) -> Usage:
        """Return the most that `scores` consumes for these texts."""
        usage = self._endpoint.estimate([self.row(text) for text in texts])
        for word in self._words:
            for said in range(1, len(word)):
                usage += self._endpoint.estimate([self.row(text, word[:said]) for text in texts])
        return usage

    def row(self, text: str, said: Sequence[Label] = ()) -> Row:
        """Return the row for a text that the first tokens of an answer follow."""
        if self._ids is None:
            return text + "".join(label.text for label in said)
        ids = [label.token for label in said]
        return (*self._ids(text), *(token for token in ids if token is not None))

    def size(self, text: str) -> int:
        """Return how many tokens a text is, or the most that it can be."""
        row = self.row(text)
        return len(row) if isinstance(row, tuple) else self._endpoint.estimate([row]).tokens
