"""Scores label words after texts with an endpoint, as token ids or texts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dfo_prompt.contracts.endpoint import Endpoint, Form, Label, Row
from dfo_prompt.contracts.usage import Usage, UsageMeter
from dfo_prompt.endpoints.words import LabelWords, RowsBefore, WordScorer, distinct
from dfo_prompt.errors import InputError
from dfo_prompt.types import Matrix


@dataclass(frozen=True, kw_only=True)
class Words:
    """Label words in the tokens of a model.

    Attributes:
        labels: (C,) tokens of each class's word.
        ids: function from a text to token ids, including special tokens; None without a tokenizer.
    """

    labels: LabelWords
    ids: Callable[[str], Sequence[int]] | None = None


class TextScorer:
    """Scores label words after texts.

    Rows are token ids if the endpoint takes them and there is a tokenizer, else texts.

    Args:
        endpoint: the endpoint, which is probed here.
        words: the label words.

    Raises:
        InputError: the endpoint takes neither form of rows, or cannot score the labels.
        OutageError: the endpoint does not answer.
    """

    def __init__(self, endpoint: Endpoint, words: Words) -> None:
        self.capabilities = endpoint.probe(distinct(label for word in words.labels for label in word))
        forms = self.capabilities.forms
        self._ids = words.ids if Form.TOKENS in forms else None
        if self._ids is None and Form.TEXT not in forms:
            raise InputError(f"texts as prompts need an endpoint that takes texts, not only {', '.join(sorted(forms))}")
        self._scorer = WordScorer(endpoint, self.capabilities, words.labels)
        self._endpoint, self._words = endpoint, words.labels

    @property
    def most_further(self) -> int:
        """Return the largest number of tokens of a word that follow a text in a row: all but the last."""
        return max(map(len, self._words)) - 1

    def scores(self, texts: Sequence[str], meter: UsageMeter) -> tuple[Matrix, int]:
        """Score the words after N texts; see `WordScorer.scores`."""
        return self._scorer.scores(self._rows(texts), meter)

    def estimate(self, texts: Sequence[str], most_tokens: int | None) -> Usage:
        """Return an upper bound on the usage of `scores` for these texts, of which rows of token ids keep `most_tokens`."""
        return self._scorer.estimate(self._rows(texts, most_tokens))

    def _rows(self, texts: Sequence[str], most_tokens: int | None = None) -> RowsBefore:
        return lambda i, count: [self._row(text, self._words[i][:count], most_tokens=most_tokens) for text in texts]

    def _row(self, text: str, answer: Sequence[Label] = (), *, most_tokens: int | None = None) -> Row:
        """Return the row for a text, of which token ids keep the first `most_tokens`, and the first tokens of an answer."""
        if self._ids is None:
            return text + "".join(label.text for label in answer)
        ids = [label.token for label in answer]
        return (*self._ids(text)[:most_tokens], *(token for token in ids if token is not None))

    def size(self, text: str) -> int:
        """Return the number of tokens of a text, or an upper bound on it without a tokenizer."""
        row = self._row(text)
        return len(row) if isinstance(row, tuple) else self._endpoint.estimate([row]).tokens
