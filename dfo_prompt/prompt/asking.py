"""Scores texts under prompts with the model in this process, and defines the interface shared with endpoints."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dfo_prompt.contracts.usage import Usage
from dfo_prompt.lm.precision import Precision
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.verbalizer import EncodedTexts, Verbalizer
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.types import Json, Matrix, Vector

WORD = 4
"""Bytes of a transmitted token id or float32."""
Projection = Callable[[Matrix], Tensor]
"""Returns soft prompts, (B, P, E), or (B, H, P, E) with one for each layer, of candidates (B, d)."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The answers for B candidates, or for the hand-written prompt (B = 1).

    Attributes:
        scores: calibrated scores of the label words, (B, N, C).
        usage: of all that was asked, calibration included.
        bounded: (B,) how many label scores are upper bounds only; None where all are exact.
    """

    scores: Tensor
    usage: Usage
    bounded: Vector | None = None


class Asks(Protocol):
    """Scores texts under the prompts of candidates."""

    @property
    def deterministic(self) -> bool:
        """Tell whether the same candidate always has the same scores."""

    def ask(self, candidates: Matrix | None, texts: EncodedTexts) -> Asked:
        """Score N texts under the prompts of candidates (B, d); None for no prompt besides the hand-written one."""

    def estimate(self, count: int, texts: EncodedTexts, prompt_tokens: int) -> Usage:
        """Return the most that scoring N texts under `count` prompts of P tokens consumes."""

    def describe(self) -> dict[str, Json]:
        """Return what defines the scores, besides the problem."""


class Local:
    """The model in this process.

    Tokens and bytes are counted as a service would see them that holds the projection: each example with its whole prompt,
    z and token ids up, label-word scores down.

    Args:
        problem: model and task.
        verbalizer: of the task.
        projection: of candidates to prompts.
        dim: d.
        precision: of the forwards.
        engines: their names.
    """

    deterministic = True

    def __init__(
        self,
        problem: Problem,
        verbalizer: Verbalizer,
        projection: Projection,
        *,
        dim: int,
        precision: Precision,
        engines: list[str],
    ) -> None:
        self._dim = dim
        self._problem, self._verbalizer, self._projection = problem, verbalizer, projection
        self._precision, self._engines = precision, engines
        self._scores = verbalizer.scorer_with(Scorer(problem.lm, precision))

    def ask(self, candidates: Matrix | None, texts: EncodedTexts) -> Asked:
        """Run the model; see `Asks`."""
        lm = self._problem.lm
        none = torch.zeros((1, 0, lm.width), device=lm.device)
        prompts = none if candidates is None else self._projection(candidates)
        usage = self.estimate(len(prompts), texts, prompts.shape[-2])
        return Asked(scores=self._scores(prompts, texts), usage=usage)

    def estimate(self, count: int, texts: EncodedTexts, prompt_tokens: int) -> Usage:
        """Return what they consume; see `Asks`."""
        parts = self._verbalizer.asked(texts)
        rows, sent = sum(part.rows for part in parts), sum(part.tokens(0) for part in parts)
        return Usage(
            rows=count * rows,
            tokens=count * (sent + rows * prompt_tokens),
            uploaded=count * WORD * (self._dim + sent),
            downloaded=count * WORD * sum(part.scores for part in parts),
        )

    def describe(self) -> dict[str, Json]:
        """Return precision and engines."""
        return {
            "dtype": self._precision.dtype,
            "dtype_spearman": self._precision.spearman,
            "engine": ", ".join(self._engines),
        }
