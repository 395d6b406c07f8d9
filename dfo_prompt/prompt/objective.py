"""The prompt objective: the loss of a language model on a k-shot split, as a function of z."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dfo_prompt.config.endpoint import EndpointConfig
from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.contracts.usage import Usage, currencies
from dfo_prompt.lm.precision import Precision
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.verbalizer import EncodedTexts, Verbalizer
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.scoring import LocalScorer, PromptScorer, check_dtype
from dfo_prompt.prompt.served import ServedScorer
from dfo_prompt.prompt.soft_prompts import PromptMap, SoftPrompts
from dfo_prompt.prompt.task_objective import TaskObjective
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.types import Json, Matrix, Vector


@dataclass(frozen=True, kw_only=True)
class Split:
    """N texts ready for the engine, and their classes (N,)."""

    texts: EncodedTexts
    labels: Tensor


class PromptObjective(SoftPrompts, TaskObjective):
    """The loss of soft prompts A z + p0 on a task, for a language model.

    The prompt stands ahead of every text, or at the {prompt} mark of the task's template.

    A query is one candidate on the whole training split. Usage counts each example with its whole prompt, as a service
    would, even if the engine computes the prompt once.

    Args:
        problem: the model in float32, the task and its split; see `load_shell` for a model that an endpoint runs.
        projection: map from z (B, d) to soft prompts (B, P, E), or (B, H, P, E) with a prompt for each layer.
        prompt_tokens: P, the length of the soft prompt.
        dim: d.
        loss: a loss that `dfo-prompt list losses` shows.
        dtype: precision; see `choose_precision`.
        calibration: calibration, whose reference texts add to the rows of a query; see `Verbalizer`.
        metadata: further entries for the manifest.
        endpoint: endpoint that scores the prompts; None for the model in this process.
        name: name of the objective, for errors.

    Raises:
        InputError: a name is unknown, or `dtype` is set although an endpoint scores the prompts.
    """

    def __init__(
        self,
        *,
        problem: Problem,
        projection: PromptMap,
        prompt_tokens: int,
        dim: int,
        loss: str = "cross_entropy",
        dtype: str = "auto",
        calibration: str = "none",
        metadata: dict[str, Json] | None = None,
        endpoint: EndpointConfig | None = None,
        name: str = "prompt",
    ) -> None:
        super().__init__(split=problem, dim=dim, loss=loss)
        lm, task = problem.lm, problem.task
        self.calibration = calibration
        self.problem, self._metadata = problem, dict(metadata or {})
        self._projection, self._prompt_tokens = projection, prompt_tokens
        drawn = problem.drawn_texts
        self._verbalizer = Verbalizer(lm, task, prompt_tokens=prompt_tokens, calibration=calibration, sample=drawn)
        # If the calibration uses the training texts, they need not be scored twice.
        train = self._verbalizer.reference if self._verbalizer.calibrates_on_sample and not problem.data.added else None
        self._splits = {"train": self._split("train", train), "dev": self._split("dev")}
        self._scorer: PromptScorer
        if endpoint:
            check_dtype(dtype)
            self._scorer = ServedScorer(problem, self._verbalizer, projection, endpoint, by=name)
        else:
            self._scorer = self._local_scorer(dtype, prompt_tokens)
        self.deterministic = self._scorer.deterministic
        self.costs_again = tuple(currencies()) if endpoint else ()

    def estimate(self, count: int, split: str = "train") -> Usage:
        """Return an upper bound on the usage of `count` candidates on a split, without repeated requests."""
        return self._scorer.estimate(count, self._get(split).texts, self._prompt_tokens)

    def subtracted(self, candidate: Vector) -> Vector:
        """Return the values (C,) that calibration subtracts from the scores under a candidate (d,), in float32."""
        prompts = self.prompt(candidate)[None]
        values: Vector = self._verbalizer.subtracted(Scorer(self.problem.lm), prompts)[0, 0].double().cpu().numpy()
        return values

    @property
    def word_tokens(self) -> tuple[tuple[int, ...], ...]:
        """Return the token ids of each class's label word, (C,)."""
        return self._verbalizer.words

    def describe(self) -> dict[str, Json]:
        """Return the settings that define the objective, for manifests."""
        return {
            **self.problem.describe(),
            **self._scorer.describe(),
            **self._metadata,
        }

    def _get(self, split: str) -> Split:
        if split not in self._splits:  # the test split is encoded on first use
            self._splits[split] = self._split(split)
        return self._splits[split]

    def _split(self, name: str, texts: EncodedTexts | None = None) -> Split:
        labels = torch.as_tensor(self.problem.labels(name), device=self.problem.lm.device)
        return Split(texts=texts or self._verbalizer.encode(self.problem.texts(name)), labels=labels)

    def _score(self, candidates: Matrix, split: str, *, outputs: bool = False) -> Evaluation:
        return self._score_under(candidates, split, outputs=outputs)

    def _manual(self, split: str) -> Evaluation:
        return self._score_under(None, split)

    def _label(self, candidate: Vector, texts: Texts) -> Tensor:
        return self._scorer.score(candidate[None], self._verbalizer.encode(texts)).scores[0]

    def _score_under(self, candidates: Matrix | None, name: str, *, outputs: bool = False) -> Evaluation:
        split = self._get(name)
        found = self._scorer.score(candidates, split.texts)
        labels = split.labels.to(found.scores.device)
        return self._evaluation(found.scores, labels, found.usage, outputs=outputs, bounded=found.bounded)

    def _local_scorer(self, dtype: str, prompt_tokens: int) -> LocalScorer:
        lm, train = self.problem.lm, self._splits["train"]

        def losses(precision: Precision, prompts: Tensor) -> Vector:
            return self._losses(self._verbalizer.scorer_with(Scorer(lm, precision))(prompts, train.texts), train.labels)

        engines = train.texts.engines(Scorer(lm), prompt_tokens)
        precision = self._choose_precision(dtype, losses, self._loss_name, self.calibration)
        return LocalScorer(
            self.problem, self._verbalizer, self._projection, dim=self.dim, precision=precision, engines=engines
        )
