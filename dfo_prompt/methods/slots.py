"""Reads hidden states, likely tokens or label scores at the answer slot, under a template or a soft prompt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

import numpy as np
import torch
from scipy.special import log_softmax
from torch import Tensor

from dfo_prompt.contracts.usage import BYTES_PER_NUMBER, Usage
from dfo_prompt.errors import InputError
from dfo_prompt.lm.answers import FirstTokenReader, Reader
from dfo_prompt.lm.encoding import arranged
from dfo_prompt.lm.layout import lay_out_all
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.states import HiddenReader, TopReader, hidden_widths
from dfo_prompt.lm.verbalizer import Verbalizer
from dfo_prompt.methods.heads import Scaling
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.sections import Pattern
from dfo_prompt.tasks.task import Task
from dfo_prompt.types import Matrix

Features = Callable[[Matrix], Sequence[Matrix]]
"""Computes the features (N, D) of each member of a vote from the figures (N, K) of a reader."""


class View(Protocol):
    """The kind of figures that are read at a slot, and their features."""

    @property
    def scaling(self) -> Scaling:
        """Return how features are standardised; see `Scale`."""

    @property
    def queries(self) -> int:
        """Return the number of queries per row."""

    def back(self, texts: Texts) -> Tensor | None:
        """Return the positions to read in N texts as they are laid out, (N, B) tokens before the slot; None for the slot."""

    def reader(self, scorer: Scorer, back: Tensor | None = None) -> Reader:
        """Return the reader of the figures at positions (N, B) of N texts, or else at the slot."""

    def learn(self, figures: Matrix) -> Features:
        """Return the computation of features, learned from the figures (N, K) of the training texts."""


@dataclass(frozen=True, kw_only=True)
class HiddenStates:
    """The hidden states of layers at fractions of the model's depth; 1 is the last layer. Each layer is a member.

    Attributes:
        places: returns the positions to read in N texts; see `View.back`. Each position has its own members.
    """

    lm: LanguageModel
    depths: Sequence[float]
    places: Callable[[Texts], Tensor] | None = None
    scaling: Scaling = "each"
    queries: int = 1

    def back(self, texts: Texts) -> Tensor | None:
        """Return the positions to read in N texts, (N, B)."""
        return self.places(texts) if self.places else None

    def reader(self, scorer: Scorer, back: Tensor | None = None) -> HiddenReader:
        """Return the reader of the states, layer after layer."""
        last = len(hidden_widths(self.lm)) - 1
        layers = dict.fromkeys(max(1, round(depth * last)) for depth in self.depths)
        return HiddenReader(self.lm, list(layers), scorer.model, back=back)

    def learn(self, figures: Matrix) -> Features:
        """Return the split of the figures into positions and layers."""
        widths = self.reader(Scorer(self.lm)).widths
        ends = np.cumsum(widths * (figures.shape[1] // sum(widths)))[:-1]
        return lambda figures: np.split(figures, ends, axis=1)


@dataclass(frozen=True, kw_only=True)
class TopTokens:
    """The k most likely tokens with their log-probabilities, as hosted services return them.

    Each token in the list of a training text has a feature: the square root of its probability in a text's list, or 0 if it
    is not listed. The probability of an unlisted token is unknown, between 0 and the smallest in the list.
    """

    lm: LanguageModel
    k: int
    scaling: Scaling = "all"
    queries: int = 1

    def back(self, texts: Texts) -> None:
        """Return None: only the slot is read."""

    def reader(self, scorer: Scorer, back: Tensor | None = None) -> TopReader:  # noqa: ARG002
        """Return the reader of log-probabilities and tokens."""
        return TopReader(scorer.model, min(self.k, self.lm.vocabulary), narrow=scorer.narrow)

    def learn(self, figures: Matrix) -> Features:
        """Return the features of the tokens in the training figures (N, 2 k)."""
        known = np.unique(figures[:, figures.shape[1] // 2 :])  # (T,), sorted

        def features(figures: Matrix) -> Sequence[Matrix]:
            logs, tokens = np.hsplit(figures, 2)
            listed = np.exp(logs / 2)
            roots = np.zeros((len(figures), len(known)))
            rows, places = np.nonzero(np.isin(tokens, known))
            roots[rows, np.searchsorted(known, tokens[rows, places])] = listed[rows, places]
            return (roots,)

        return features


@dataclass(frozen=True, kw_only=True)
class LabelScores:
    """The log-probabilities of several sets of label words, normalised within each set, for a query per set.

    Attributes:
        words: the first tokens of each set, (S, C).
    """

    words: Sequence[Sequence[int]]
    scaling: Scaling = "each"

    @property
    def queries(self) -> int:
        """Return S."""
        return len(self.words)

    def back(self, texts: Texts) -> None:
        """Return None: only the slot is read."""

    def reader(self, scorer: Scorer, back: Tensor | None = None) -> FirstTokenReader:  # noqa: ARG002
        """Return the reader of the words' logits, set after set."""
        ids = torch.tensor(self.words).flatten().to(scorer.model.device)
        return FirstTokenReader(scorer.model, ids, plain_head=scorer.has_plain_head(ids), narrow=scorer.narrow)

    def learn(self, figures: Matrix) -> Features:  # noqa: ARG002
        """Return the concatenation of the log-probabilities of all sets."""
        return lambda figures: (log_softmax(figures.reshape(len(figures), self.queries, -1), axis=2).reshape(figures.shape),)


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """The answers to N texts.

    Attributes:
        figures: the figures (N, K) of a view's reader.
        words: the normalised log-probabilities (N, C) of the label words; zero if not requested.
        usage: the usage of both; a service returns both for the same row if each label word is one token.
        seconds: the time of the query.
    """

    figures: Matrix
    words: Matrix
    usage: Usage
    seconds: float = 0.0


class Slot:
    """Queries a model at the answer slot of a task's template.

    Args:
        lm, task: the model and the task.
        scorer: the scorer of the same model.
        view: the figures to read.
        prompt: a soft prompt (P, E), or (H, P, E) with a prompt per layer; none by default.
        dim: d, the numbers that a service receives for the prompt.
        shown: indices of the training examples that the prompt shows; see `Context`.
    """

    def __init__(
        self,
        lm: LanguageModel,
        task: Task,
        scorer: Scorer,
        view: View,
        *,
        prompt: Tensor | None = None,
        dim: int = 0,
        shown: Sequence[int] = (),
    ) -> None:
        self.view, self.shown = view, shown
        self._lm, self._task, self._scorer, self._dim = lm, task, scorer, dim
        prompt = torch.zeros((0, lm.width), device=lm.device) if prompt is None else prompt
        self._prompts, self._prompt_tokens = prompt[None], prompt.shape[-2]
        self._verbalizer = Verbalizer(lm, task, prompt_tokens=self._prompt_tokens)
        self._reader = view.reader(scorer)

    def ask(self, texts: Texts, *, words: bool) -> Answers:
        """Return the answers to N texts, with or without the label words' scores."""
        started = perf_counter()
        layouts = lay_out_all(self._lm, self._task, texts, prompt_tokens=self._prompt_tokens)
        back = self.view.back([layout.texts for layout in layouts])
        reader = self._reader if back is None else self.view.reader(self._scorer, back)
        encoded = arranged(self._lm, layouts, back=0 if back is None else int(back.max()))
        figures = self._scorer.score(self._prompts, encoded, reader)[0].double().cpu().numpy()
        queries = self.view.queries
        usage = Usage(
            rows=queries * encoded.count,
            tokens=queries * (encoded.tokens + encoded.count * self._prompt_tokens),
            uploaded=BYTES_PER_NUMBER * queries * (self._dim + encoded.tokens),
            downloaded=BYTES_PER_NUMBER * encoded.count * reader.width,
        )
        scores, more = self._words(texts) if words else (np.zeros((len(texts), len(self._task.words))), Usage())
        return Answers(figures=figures, words=scores, usage=usage + more, seconds=perf_counter() - started)

    @torch.inference_mode()
    def _words(self, texts: Texts) -> tuple[Matrix, Usage]:
        """Return the scores (N, C) and their usage beyond the rows of `view`."""
        encoded = self._verbalizer.encode(texts)
        scores = self._verbalizer.scorer_with(self._scorer)(self._prompts, encoded)[0].log_softmax(dim=-1)
        parts = [span.texts for span in encoded.spans]
        rows, tokens = sum(part.count for part in parts), sum(part.tokens for part in parts)
        usage = Usage(
            rows=rows,
            tokens=tokens + rows * self._prompt_tokens,
            uploaded=BYTES_PER_NUMBER * tokens,
            downloaded=BYTES_PER_NUMBER * encoded.scores,
        )
        return scores.double().cpu().numpy(), usage


def tasks_of(task: Task, templates: Sequence[str]) -> list[Task]:
    """Return the task with each of its patterns, or with each of `templates` instead.

    Raises:
        InputError: a template is invalid, or has a field that the task lacks.
    """
    if not templates:
        return [task, *task.rephrased]
    try:
        return [*replace(task, patterns=tuple(Pattern(template=template) for template in templates)).rephrased]
    except ValueError as error:
        raise InputError(f"templates: {error}") from error
