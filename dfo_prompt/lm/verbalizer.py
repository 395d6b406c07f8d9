"""From texts to classes: label words, whole however many tokens they are, and calibrated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dfo_prompt.lm.answers import Continuation, FirstTokens
from dfo_prompt.lm.encoding import Encoded, encode, encode_words
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.tasks.task import Task

Calibration = Literal["none", "contextual", "domain", "median"]
Texts = Sequence[tuple[str, ...]]

CONTENT_FREE = ("N/A", "", "[MASK]")
RANDOM_TEXTS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """N texts as the engine is asked about them.

    Attributes:
        first: for the first token of every label word.
        words: C, the number of label words.
        rest: for each class whose label word goes on: its number, the ids that follow, and the texts with all but the last.
    """

    first: Encoded
    words: int
    rest: tuple[tuple[int, tuple[int, ...], Encoded], ...]

    @property
    def rows(self) -> int:
        """Return how many rows a service would be sent for one prompt."""
        return sum(texts.count for texts in self._parts)

    def tokens(self, prompt_tokens: int) -> int:
        """Return how many tokens these have, each with its whole prompt."""
        return sum(texts.tokens + texts.count * prompt_tokens for texts in self._parts)

    @property
    def scores(self) -> int:
        """Return how many scores a service would send back for one prompt: of each word's first token, and of its rest."""
        return self.first.count * self.words + sum(texts.count for _, _, texts in self.rest)

    @property
    def _parts(self) -> list[Encoded]:
        return [self.first, *(texts for _, _, texts in self.rest)]


class Verbalizer:
    """Scores classes by their label words.

    A score is the logit of a word's first token, plus the log-probability of its others: up to a constant that all classes
    share, the log-probability of the whole word.

    Args:
        lm: tokenizes.
        task: template and label words.
        prompt_tokens: P, for which room is kept.
        calibration: what is subtracted from the scores under each prompt:
            "contextual", the log of the mean probability of each class for texts without content (Zhao et al., 2021);
            "domain", the same for texts of random words of `sample` (Fei et al., 2023);
            "median", the median over `sample` of each class's log-probability, so that each wins about equally often.
        sample: texts of the task, without labels.
    """

    def __init__(
        self, lm: LanguageModel, task: Task, *, prompt_tokens: int, calibration: Calibration = "none", sample: Texts = ()
    ) -> None:
        self._lm, self._task, self._prompt_tokens = lm, task, prompt_tokens
        self._words = encode_words(lm, task)
        self._first = torch.tensor([ids[0] for ids in self._words], device=lm.device)
        self._average = _median if calibration == "median" else _log_mean
        neutral = {"none": (), "median": sample, "domain": _random_texts(sample), "contextual": _content_free(task)}[
            calibration
        ]
        self.reference = self.ask(neutral) if neutral else None

    def ask(self, texts: Texts) -> Asked:
        """Lay out texts."""
        rest = [(label, ids[1:], self._encode(texts, ids[:-1])) for label, ids in enumerate(self._words) if len(ids) > 1]
        return Asked(first=self._encode(texts), words=len(self._words), rest=tuple(rest))

    def on(self, scorer: Scorer) -> Callable[[Tensor, Asked], Tensor]:
        """Return what scores texts with an engine: from prompts (B, P, E) and N texts to (B, N, C)."""
        first = FirstTokens(scorer.model, self._first, plain_head=scorer.has_plain_head(self._first))

        @torch.inference_mode()
        def raw(prompts: Tensor, asked: Asked) -> Tensor:
            scores = scorer.score(prompts, asked.first, first)
            for label, ids, texts in asked.rest:
                reader = Continuation(scorer.model, torch.tensor(ids, device=prompts.device))
                scores[:, :, label] += scorer.score(prompts, texts, reader)[:, :, 0]
            return scores

        def calibrated(prompts: Tensor, asked: Asked) -> Tensor:
            scores = raw(prompts, asked)
            if self.reference is None:
                return scores
            neutral = scores if asked is self.reference else raw(prompts, self.reference)
            return scores - self._average(neutral.log_softmax(dim=-1))

        return calibrated

    def _encode(self, texts: Texts, answer: Sequence[int] = ()) -> Encoded:
        return encode(self._lm, self._task, texts, prompt_tokens=self._prompt_tokens, answer=answer)


def _log_mean(log_probabilities: Tensor) -> Tensor:
    return log_probabilities.exp().mean(dim=1, keepdim=True).log()  # (B, N, C) -> (B, 1, C)


def _median(log_probabilities: Tensor) -> Tensor:
    return log_probabilities.quantile(0.5, dim=1, keepdim=True)  # (B, N, C) -> (B, 1, C)


def _content_free(task: Task) -> Texts:
    return [tuple(text for _ in task.fields) for text in CONTENT_FREE]


def _random_texts(sample: Texts) -> Texts:
    rng = np.random.default_rng(0)
    made = []
    for field in zip(*sample, strict=True):
        words = [word for text in field for word in text.split()]
        length = max(1, round(len(words) / len(field)))
        made.append([" ".join(rng.choice(words, length)) for _ in range(RANDOM_TEXTS)] if words else [""] * RANDOM_TEXTS)
    return list(zip(*made, strict=True))
