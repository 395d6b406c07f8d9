"""The prompt objective: the loss of a language model on a k-shot split, as a function of z."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.lm.precision import Precision, choose_precision
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.verbalizer import EncodedTexts, Verbalizer
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.task_objective import TaskObjective
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.types import Json, Matrix, Vector

WORD = 4
"""Bytes on the wire of a token id or a float32."""
PROBES = 16
PROBE_STEP = 0.5
"""Deviation of the probe's candidates from the start in each coordinate: half of the default sigma, so harder to rank."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """Examples ready for the engine, with their classes (N,)."""

    texts: EncodedTexts
    labels: Tensor


class PromptObjective(TaskObjective):
    """The loss of soft prompts A z + p0 on a task, for a language model.

    The prompt stands ahead of every text, or at the {prompt} mark of the task's template.

    A query is one candidate on the whole training split. Tokens are counted as a service would see them: each example with
    its whole prompt, however the engine shares it.

    Args:
        problem: the model, in float32, the task and its split.
        projection: from z (B, d) to soft prompts, (B, P, E), or (B, H, P, E) with one for each layer.
        prompt_tokens: P, the length of the soft prompt.
        dim: d.
        loss: a name that `dfo-prompt list losses` shows.
        dtype: see `choose_precision`.
        calibration: see `Verbalizer`; with one, a query costs the rows of its reference texts too.
        about: further facts for the manifest.
    """

    def __init__(
        self,
        *,
        problem: Problem,
        projection: Callable[[Matrix], Tensor],
        prompt_tokens: int,
        dim: int,
        loss: str = "cross_entropy",
        dtype: str = "auto",
        calibration: str = "none",
        about: dict[str, Json] | None = None,
    ) -> None:
        super().__init__(split=problem, dim=dim, loss=loss)
        lm, task = problem.lm, problem.task
        self.calibration = calibration
        self.problem, self._about = problem, dict(about or {})
        self._projection, self._prompt_tokens = projection, prompt_tokens
        self._verbalizer = Verbalizer(
            lm, task, prompt_tokens=prompt_tokens, calibration=calibration, sample=problem.texts("train")
        )
        # Where calibration asks of the training texts, they need not be asked twice.
        train = self._verbalizer.reference if self._verbalizer.asks_sample else None
        self._splits = {"train": self._split("train", train), "dev": self._split("dev")}
        self._engines = self._splits["train"].texts.engines(Scorer(lm), prompt_tokens)
        self._precision = choose_precision(lm.model, dtype, self._probe)
        self._logits = self._logits_in(self._precision)

    def prompt(self, candidate: Vector) -> Tensor:
        """Return the soft prompt (P, E) of a candidate (d,), or (H, P, E) with one for each layer."""
        return self._projection(candidate[None])[0]

    @property
    def prompt_layers(self) -> int:
        """Return the number of layers that have a prompt."""
        prompt = self.prompt(np.zeros(self.dim))
        return len(prompt) if prompt.dim() == 3 else 1  # noqa: PLR2004

    def describe(self) -> dict[str, Json]:
        """Return what defines this objective."""
        return {
            **self.problem.describe(),
            "dtype": self._precision.dtype,
            "dtype_spearman": self._precision.spearman,
            "engine": ", ".join(self._engines),
            **self._about,
        }

    def _get(self, split: str) -> Split:
        if split not in self._splits:  # the test split is encoded when it is first asked for
            self._splits[split] = self._split(split)
        return self._splits[split]

    def _split(self, name: str, texts: EncodedTexts | None = None) -> Split:
        labels = torch.as_tensor(self.problem.labels(name), device=self.problem.lm.device)
        return Split(texts=texts or self._verbalizer.encode(self.problem.texts(name)), labels=labels)

    def _score(self, candidates: Matrix, split: str, *, outputs: bool = False) -> Evaluation:
        return self._score_prompts(self._projection(candidates), split, outputs=outputs)

    def _manual(self, split: str) -> Evaluation:
        nothing = torch.zeros((1, 0, self.problem.lm.width), device=self.problem.lm.device)
        return self._score_prompts(nothing, split)

    def _label(self, candidate: Vector, texts: Texts) -> Tensor:
        return self._logits(self._projection(candidate[None]), self._verbalizer.encode(texts))[0]  # (N, C)

    def _score_prompts(self, prompts: Tensor, name: str, *, outputs: bool = False) -> Evaluation:
        split = self._get(name)
        logits = self._logits(prompts, split.texts)
        usage = self._usage(len(prompts), split, prompt_tokens=prompts.shape[-2])
        return self._evaluation(logits, split.labels, usage, outputs=outputs)

    def _usage(self, count: int, split: Split, *, prompt_tokens: int) -> Usage:
        reference = self._verbalizer.reference
        asked = [split.texts, *([reference] if reference and reference is not split.texts else [])]
        rows, sent = sum(part.rows for part in asked), sum(part.tokens(0) for part in asked)
        return Usage(
            rows=count * rows,
            tokens=count * (sent + rows * prompt_tokens),
            # The service holds the projection: it is sent z and the texts' token ids, and sends back label-word scores.
            uploaded=count * WORD * (self.dim + sent),
            downloaded=count * WORD * sum(part.scores for part in asked),
        )

    def _logits_in(self, precision: Precision) -> Callable[[Tensor, EncodedTexts], Tensor]:
        return self._verbalizer.scorer_with(Scorer(self.problem.lm, precision))

    def _probe(self, precision: Precision) -> Vector:
        candidates = PROBE_STEP * np.random.default_rng(0).standard_normal((PROBES, self.dim))
        train = self._splits["train"]
        logits = self._logits_in(precision)(self._projection(candidates), train.texts)
        return self._losses(logits, train.labels)
