"""The prompt objective for tasks whose answers are texts: likelihood of references, and metric of generated answers."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.contracts.usage import BYTES_PER_NUMBER, Usage
from dfo_prompt.lm.greedy import Greedy
from dfo_prompt.lm.precision import Precision
from dfo_prompt.lm.references import LikelihoodReader, References, encode_references
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.soft_prompts import PromptMap, SoftPrompts
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.metrics import score_texts
from dfo_prompt.types import Json, Matrix, Vector


@dataclass(frozen=True, kw_only=True)
class GenerationSplit:
    """A split ready for the engine.

    Attributes:
        references: texts with their references, encoded.
        answers: references as text, for the metric.
    """

    references: References
    answers: list[str]

    @property
    def text_tokens(self) -> int:
        """Return the number of tokens of all texts without their references."""
        return sum(len(layout.ids) for layout in self.references.layouts)


class GenerationObjective(SoftPrompts):
    """The loss of soft prompts A z + p0 on a task whose answers are texts, for a decoder-only language model.

        L(z) = (1 / N) sum over n of (1 / T_n) sum over t of -log p(y_nt | p(z), x_n, y_n1 ... y_n(t-1))

    for the N examples of the training split, whose references y_n have T_n tokens including their end. Each example has the
    same weight, however long its reference. On validation, the model also generates an answer to each text greedily, and the
    task's metric compares the answers with the references.

    A query is one candidate on the whole training split. Usage is that of a service that holds the projection: it receives
    z and token ids, computes each example with its whole prompt, and returns a likelihood for each token of a reference, or
    the tokens of an answer.

    Args:
        problem: the model in float32, the task and its split.
        projection: map from z (B, d) to soft prompts (B, P, E), or (B, H, P, E) with a prompt for each layer.
        prompt_tokens: P, the length of the soft prompt.
        dim: d.
        dtype: precision; see `choose_precision`.
        metadata: further entries for the manifest.

    Raises:
        ModelError: the model is not decoder-only, has no token for the end of an answer, or no room for a text.
    """

    deterministic = True
    costs_again = ()

    def __init__(
        self,
        *,
        problem: Problem,
        projection: PromptMap,
        prompt_tokens: int,
        dim: int,
        dtype: str = "auto",
        metadata: dict[str, Json] | None = None,
    ) -> None:
        self.problem, self.dim, self.metric = problem, dim, problem.task.metric
        self._projection, self._prompt_tokens = projection, prompt_tokens
        self._metadata = dict(metadata or {})
        self._splits = {"train": self._split("train")}
        self._baselines: dict[str, Evaluation] = {}
        self._scorer = Scorer(problem.lm)
        self._precision = self._choose_precision(dtype, self._probe)
        self._scorer = Scorer(problem.lm, self._precision)
        self._greedy = Greedy(problem.lm, problem.task, self._scorer, self._precision)

    def evaluate(self, candidates: Matrix) -> Evaluation:
        """Score candidates (B, d) on the training split."""
        return self._likelihood(self._projection(candidates), self._get("train"))

    def validate(self, candidates: Matrix, split: str) -> Evaluation:
        """Score candidates (B, d) on "train", "dev" or "test", with the metric of generated answers."""
        return self._whole(self._projection(candidates), split)

    def baseline(self, split: str) -> Evaluation:
        """Score the task's hand-written prompt without a soft prompt; computed once."""
        if split not in self._baselines:
            lm = self.problem.lm
            self._baselines[split] = self._whole(torch.zeros((1, 0, lm.width), device=lm.device), split)
        return self._baselines[split]

    def generate(self, candidate: Vector, texts: Texts) -> tuple[str, ...]:
        """Return the answers to new texts under a candidate (d,).

        Raises:
            InputError: see `TaskSplit.prepared`.
        """
        texts = self.problem.prepared(texts)
        prompt = self.prompt(candidate)
        ids = self._greedy.ids(prompt, self._greedy.lay_out(texts, prompt_tokens=prompt.shape[-2]))
        return tuple(map(self._greedy.text, ids))

    def estimate(self, count: int, split: str = "train") -> Usage:
        """Return an upper bound on the usage of `count` candidates on a split, with the longest possible answers."""
        part = self._get(split)
        usage = self._scored(count, self._prompt_tokens, part)
        if split == "train":
            return usage
        rule = self.problem.task.answer
        most = rule.most_tokens if rule else 0
        return usage + self._generated(self._prompt_tokens, part, most * len(part.answers)).times(count)

    def describe(self) -> dict[str, Json]:
        """Return the settings that define the objective, for manifests."""
        references = self._splits["train"].references
        return {
            **self.problem.describe(),
            "dtype": self._precision.dtype,
            "dtype_spearman": self._precision.spearman,
            "engine": self._scorer.engine(references.texts, prompt_tokens=self._prompt_tokens),
            **self._metadata,
        }

    def _get(self, split: str) -> GenerationSplit:
        if split not in self._splits:
            self._splits[split] = self._split(split)
        return self._splits[split]

    def _split(self, name: str) -> GenerationSplit:
        lm, task, texts = self.problem.lm, self.problem.task, self.problem.texts(name)
        answers = [example.answer for example in self.problem.data.part(name)]
        return GenerationSplit(
            references=encode_references(lm, task, texts, answers, prompt_tokens=self._prompt_tokens),
            answers=answers,
        )

    def _probe(self, precision: Precision, prompts: Tensor) -> Vector:
        return self._losses(Scorer(self.problem.lm, precision), prompts, self._get("train"))

    def _losses(self, scorer: Scorer, prompts: Tensor, part: GenerationSplit) -> Vector:
        reader = LikelihoodReader(scorer.model, part.references, narrow=scorer.narrow)
        means = scorer.score(prompts, part.references.texts, reader)[..., 0].double()  # (B, N)
        losses: Vector = -means.mean(dim=1).cpu().numpy()
        return losses

    def _likelihood(self, prompts: Tensor, part: GenerationSplit) -> Evaluation:
        usage = self._scored(len(prompts), prompts.shape[-2], part)
        return Evaluation(losses=self._losses(self._scorer, prompts, part), usage=usage)

    def _whole(self, prompts: Tensor, split: str) -> Evaluation:
        part = self._get(split)
        likelihood = self._likelihood(prompts, part)
        usage, metrics = likelihood.usage, []
        for prompt in prompts:
            ids = self._greedy.ids(prompt, part.references.layouts)
            metrics.append(score_texts(self.metric, [*map(self._greedy.text, ids)], part.answers))
            usage += self._generated(prompt.shape[-2], part, sum(map(len, ids)))
        return Evaluation(losses=likelihood.losses, metrics={self.metric: np.array(metrics)}, usage=usage)

    def _scored(self, count: int, prompt_tokens: int, part: GenerationSplit) -> Usage:
        rows, tokens = len(part.answers), part.references.texts.tokens
        return Usage(
            rows=count * rows,
            tokens=count * (tokens + rows * prompt_tokens),
            uploaded=count * BYTES_PER_NUMBER * (self.dim + part.text_tokens + part.references.tokens),
            downloaded=count * BYTES_PER_NUMBER * part.references.tokens,
        )

    def _generated(self, prompt_tokens: int, part: GenerationSplit, tokens: int) -> Usage:
        """Return the usage of generating answers of `tokens` tokens in all under one prompt."""
        rows = len(part.answers)
        return Usage(
            rows=rows,
            tokens=part.text_tokens + rows * prompt_tokens + tokens,
            uploaded=BYTES_PER_NUMBER * (self.dim + part.text_tokens),
            downloaded=BYTES_PER_NUMBER * tokens,
        )
