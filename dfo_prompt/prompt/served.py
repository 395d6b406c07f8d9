"""Scores texts under prompts with an endpoint: one request of embeddings or token ids per token of a label word."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfo_prompt.config.endpoint import EndpointConfig
from dfo_prompt.contracts.endpoint import EndpointOutageError, Form, Label, Row
from dfo_prompt.contracts.usage import Usage, UsageMeter
from dfo_prompt.endpoints.opening import Opened, open_endpoint
from dfo_prompt.endpoints.words import RowsBefore, WordScorer, distinct
from dfo_prompt.errors import InputError, ModelError
from dfo_prompt.lm.encoding import Encoded
from dfo_prompt.lm.verbalizer import EncodedTexts, Verbalizer
from dfo_prompt.prompt.label_words import label_words
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.scoring import PromptScores
from dfo_prompt.prompt.soft_prompts import PromptMap
from dfo_prompt.prompt.tokens import Ids, TokenPrompts
from dfo_prompt.types import Json, Matrix

PROBE_TEXT = "The film was"
"""A text that must have the same scores in every form that the endpoint takes."""
MAX_ROUNDING = 0.1
"""The largest difference of log-probabilities that is attributed to rounding in half precision."""


class ServedScorer:
    """An endpoint that scores prompts.

    Scores are those of the local engine up to a constant that all classes share.

    Args:
        problem: tokenizer, embeddings and task.
        verbalizer: verbalizer of the task.
        projection: map from candidates to prompts; `TokenPrompts` are sent as token ids.
        config: configuration of the endpoint.
        by: name of the objective, for errors.

    Raises:
        InputError: the endpoint lacks a capability, or serves another model.
        OutageError: the endpoint does not answer.
    """

    def __init__(
        self, problem: Problem, verbalizer: Verbalizer, projection: PromptMap, config: EndpointConfig, *, by: str
    ) -> None:
        self._lm, self._verbalizer, self._projection = problem.lm, verbalizer, projection
        self._form = Form.TOKENS if isinstance(projection, TokenPrompts) else Form.EMBEDDINGS
        words = label_words(problem.lm, problem.task)
        first = distinct(word[0] for word in words)
        self._opened: Opened = open_endpoint(config, first, needs=self._form, by=f"objective {by!r}")
        self._words = WordScorer(self._opened.endpoint, self._opened.can, words)
        self.deterministic = self._opened.can.steady
        self._probe = self._opened.can.measured(self._check_model(config, first))

    def score(self, candidates: Matrix | None, texts: EncodedTexts) -> PromptScores:
        """Score texts, one candidate after another; see `PromptScorer`."""
        prompts: Sequence[Tensor | Ids]
        if candidates is None:
            prompts = [np.empty(0, dtype=np.int64) if self._form is Form.TOKENS else torch.zeros((0, self._lm.width))]
        elif isinstance(self._projection, TokenPrompts):
            prompts = [*self._projection.tokens(candidates)]
        else:
            prompts = [*self._projection(candidates)]
        meter = UsageMeter()
        with meter.kept():
            scores, bounded = zip(*(self._candidate(prompt, texts, meter) for prompt in prompts), strict=True)
        bounds = None if self._opened.can.exact else np.array(bounded, dtype=np.float64)
        return PromptScores(scores=torch.cat(scores), usage=meter.total, bounded=bounds)

    def estimate(self, count: int, texts: EncodedTexts, prompt_tokens: int) -> Usage:
        """Return an upper bound on the usage of one attempt at each request; see `PromptScorer`."""
        prompt: Ids = np.zeros(prompt_tokens, dtype=np.int64)  # rows of token ids, for embeddings too: they are as long
        parts = self._verbalizer.parts(texts)
        return sum((self._words.estimate(self._rows(prompt, part)) for part in parts), Usage()).times(count)

    def describe(self) -> dict[str, Json]:
        """Return the settings of the endpoint, and the measurements of its probe."""
        return {"endpoint": self._opened.about, "endpoint_probe": self._probe}

    def _candidate(self, prompt: Tensor | Ids, texts: EncodedTexts, meter: UsageMeter) -> tuple[Tensor, int]:
        """Return the calibrated scores (1, N, C) under a prompt, and the number that are only upper bounds."""
        parts = [self._words.scores(self._rows(prompt, part), meter) for part in self._verbalizer.parts(texts)]
        own, neutral = (torch.from_numpy(scores)[None] for scores in (parts[0][0], parts[-1][0]))
        return self._verbalizer.calibrated(own, neutral), sum(bounded for _, bounded in parts)

    def _rows(self, prompt: Tensor | Ids, texts: EncodedTexts) -> RowsBefore:
        if texts.first is None:
            raise ModelError("endpoints need a decoder-only model, not a masked one")
        first = laid_out(texts.first)
        later = {span.labels[0]: (laid_out(span.texts), len(span.ids[0])) for span in texts.spans}

        def rows(word: int, count: int) -> list[Row]:
            laid = first
            if count:  # the texts of a span contain all tokens of the word except the last
                whole, most = later[word]
                laid = [(left, right[: len(right) - (most - count)]) for left, right in whole]
            return [self._row(left, prompt, right) for left, right in laid]

        return rows

    def _row(self, left: list[int], prompt: Tensor | Ids, right: list[int]) -> Row:
        if not isinstance(prompt, Tensor):
            return self._ids_row(left, prompt, right)
        parts = [self._lm.embed(np.array(left, dtype=np.int64)), prompt, self._lm.embed(np.array(right, dtype=np.int64))]
        row: npt.NDArray[np.float32] = np.concatenate([part.float().cpu().numpy() for part in parts])
        if not np.isfinite(row).all():
            raise ValueError("the prompt has entries that are not finite")
        return row

    @staticmethod
    def _ids_row(left: list[int], prompt: Ids, right: list[int]) -> Row:
        return (*left, *map(int, prompt), *right)

    def _check_model(self, config: EndpointConfig, labels: Sequence[Label]) -> Usage:
        """Check that the endpoint gives a text the same scores as text or token ids and as tokenised or embedded here.

        Returns:
            The usage of the check.

        Raises:
            InputError: the endpoint serves another model, or refuses the form of the rows.
            OutageError: the endpoint does not answer.
        """
        endpoint, forms = self._opened.endpoint, self._opened.can.forms
        ids = tuple(self._lm.tokenizer(PROBE_TEXT).input_ids)
        theirs: Row | None = ids if self._form is Form.EMBEDDINGS and Form.TOKENS in forms else None
        if self._form is Form.TOKENS and Form.TEXT in forms:
            theirs = PROBE_TEXT
        if theirs is None:
            return Usage()
        ours: Row = ids if self._form is Form.TOKENS else self._lm.embed(np.array(ids)).cpu().numpy()
        try:
            here, there = endpoint.score([ours], labels), endpoint.score([theirs], labels)
        except EndpointOutageError as error:
            if error.refused:
                raise InputError(f"endpoint {config.kind!r} takes no {self._form} of {self._lm.name!r}: {error}") from error
            raise
        if (difference := float(np.abs(here.logs - there.logs).max())) > MAX_ROUNDING + self._opened.can.spread:
            reason = f"endpoint {config.kind!r} serves another model than {self._lm.name!r}: a text and its {self._form}"
            raise InputError(
                f"{reason} differ by {difference:.3g} in log-probability; set problem.model to the model served"
            )
        return here.usage + there.usage


def laid_out(texts: Encoded) -> list[tuple[list[int], list[int]]]:
    """Return the token ids ahead of the prompt and behind it, for each text."""
    head, common = texts.head.tolist(), texts.common.tolist()
    parts: dict[int, tuple[list[int], list[int]]] = {}
    for bucket in texts.buckets:
        columns = (bucket.rows.tolist(), bucket.left.tolist(), bucket.ids.tolist(), bucket.lengths.tolist())
        for row, left, ids, length in zip(*columns, strict=True):
            parts[row] = head + left, common + ids[:length]
    return [parts[row] for row in range(texts.count)]
