"""The interface of models that score texts under prompts, and the model in this process behind it."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dfo_prompt.contracts.usage import BYTES_PER_NUMBER, Usage
from dfo_prompt.errors import InputError
from dfo_prompt.lm.precision import Precision
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.verbalizer import EncodedTexts, Verbalizer
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.soft_prompts import PromptMap
from dfo_prompt.types import Json, Matrix, Vector


def check_dtype(dtype: str) -> None:
    """Check that a precision is left to the endpoint that runs the model.

    Raises:
        InputError: it is not "auto".
    """
    if dtype != "auto":
        raise InputError(f"dtype {dtype!r} is for the server of an [endpoint] to choose; leave out prompt.dtype")


@dataclass(frozen=True, kw_only=True)
class PromptScores:
    """The scores of texts under the prompts of B candidates, or under the hand-written prompt (B = 1).

    Attributes:
        scores: calibrated scores of the label words, (B, N, C).
        usage: usage of all requests, including calibration.
        bounded: (B,) number of label scores that are only upper bounds; None if all are exact.
    """

    scores: Tensor
    usage: Usage
    bounded: Vector | None = None


class PromptScorer(Protocol):
    """Scores texts under the prompts of candidates."""

    @property
    def deterministic(self) -> bool:
        """Tell whether a candidate always has the same scores."""

    def score(self, candidates: Matrix | None, texts: EncodedTexts) -> PromptScores:
        """Score N texts under the prompts of candidates (B, d), or for None under the hand-written prompt alone."""

    def estimate(self, count: int, texts: EncodedTexts, prompt_tokens: int) -> Usage:
        """Return an upper bound on the usage of scoring N texts under `count` prompts of P tokens."""

    def describe(self) -> dict[str, Json]:
        """Return the settings that the scores depend on, besides the problem."""


class LocalScorer:
    """The model in this process.

    Usage is that of a service that holds the projection: it receives z and token ids, computes each example with its whole
    prompt, and returns label-word scores.

    Args:
        problem: model, task and split.
        verbalizer: verbalizer of the task.
        projection: map from candidates to prompts.
        dim: d.
        precision: precision of the forward passes.
        engines: names of the engines, for the manifest.
    """

    deterministic = True

    def __init__(
        self,
        problem: Problem,
        verbalizer: Verbalizer,
        projection: PromptMap,
        *,
        dim: int,
        precision: Precision,
        engines: list[str],
    ) -> None:
        self._dim = dim
        self._problem, self._verbalizer, self._projection = problem, verbalizer, projection
        self._precision, self._engines = precision, engines
        self._scores = verbalizer.scorer_with(Scorer(problem.lm, precision))

    def score(self, candidates: Matrix | None, texts: EncodedTexts) -> PromptScores:
        """Score texts; see `PromptScorer`."""
        lm = self._problem.lm
        empty = torch.zeros((1, 0, lm.width), device=lm.device)
        prompts = empty if candidates is None else self._projection(candidates)
        usage = self.estimate(len(prompts), texts, prompts.shape[-2])
        return PromptScores(scores=self._scores(prompts, texts), usage=usage)

    def estimate(self, count: int, texts: EncodedTexts, prompt_tokens: int) -> Usage:
        """Return the usage of `score`; see `PromptScorer`."""
        parts = self._verbalizer.parts(texts)
        rows, tokens = sum(part.rows for part in parts), sum(part.tokens for part in parts)
        return Usage(
            rows=count * rows,
            tokens=count * (tokens + rows * prompt_tokens),
            uploaded=count * BYTES_PER_NUMBER * (self._dim + tokens),
            downloaded=count * BYTES_PER_NUMBER * sum(part.scores for part in parts),
        )

    def describe(self) -> dict[str, Json]:
        """Return the precision and the engines."""
        return {
            "dtype": self._precision.dtype,
            "dtype_spearman": self._precision.spearman,
            "engine": ", ".join(self._engines),
        }
