"""Verbalizers: scores of classes by their label words, of any number of tokens, with calibration."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dfo_prompt.lm.answers import FirstTokenReader, SpanReader
from dfo_prompt.lm.calibration import calibration_called
from dfo_prompt.lm.encoding import Encoded, encode, encode_words
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.task import Task


@dataclass(frozen=True, kw_only=True, eq=False)
class TokenSpan:
    """Label words, or their tokens after the first, that are read together.

    Attributes:
        labels: (G,) class of each word.
        ids: (G, K) token ids to read for each word.
        texts: texts laid out for these tokens.
    """

    labels: tuple[int, ...]
    ids: tuple[tuple[int, ...], ...]
    texts: Encoded


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedTexts:
    """N texts, encoded for the engine.

    Attributes:
        words: C, the number of label words.
        first: texts laid out for the first tokens of all label words; None if a masked model scores whole words.
        spans: further tokens to read.
    """

    words: int
    first: Encoded | None
    spans: tuple[TokenSpan, ...]

    @property
    def rows(self) -> int:
        """Return the number of rows that a service would receive for one prompt."""
        return sum(texts.count for texts in self._parts)

    @property
    def tokens(self) -> int:
        """Return the number of tokens of these rows, without the prompt."""
        return sum(texts.tokens for texts in self._parts)

    @property
    def scores(self) -> int:
        """Return the number of scores that a service would return for one prompt."""
        first = self.first.count * self.words if self.first else 0
        return first + sum(span.texts.count * len(span.labels) for span in self.spans)

    @property
    def count(self) -> int:
        """Return N, the number of texts."""
        return self._parts[0].count

    def engines(self, scorer: Scorer, prompt_tokens: int) -> list[str]:
        """Return the names of the engines that score the texts under prompts of P tokens."""
        return sorted({scorer.engine(texts, prompt_tokens=prompt_tokens) for texts in self._parts})

    @property
    def _parts(self) -> list[Encoded]:
        return [*([self.first] if self.first else []), *(span.texts for span in self.spans)]


class Verbalizer:
    """Scores classes by their label words.

    A score is the logit of a word's first token plus the log-probabilities of its other tokens: the log-probability of the
    whole word, up to a constant that all classes share. A masked model predicts all tokens of a word at once, each at its
    own mask; if any word has several tokens, each score is the sum of the log-probabilities of the word's tokens.

    Args:
        lm: the model.
        task: template and label words.
        prompt_tokens: P, the room to leave for a soft prompt.
        calibration: a calibration that `dfo-prompt list calibrations` shows.
        sample: texts of the task without labels, for the calibration.
    """

    def __init__(
        self, lm: LanguageModel, task: Task, *, prompt_tokens: int, calibration: str = "none", sample: Texts = ()
    ) -> None:
        self._lm, self._task, self._prompt_tokens = lm, task, prompt_tokens
        self._words = encode_words(lm, task)
        self._first = torch.tensor([ids[0] for ids in self._words], device=lm.device)
        built = calibration_called(calibration, task, sample)
        self._average = built.average
        self.reference = self.encode(built.texts) if built.texts else None
        self.calibrates_on_sample = built.texts is sample

    def encode(self, texts: Texts) -> EncodedTexts:
        """Lay out texts."""
        longer = [(label, ids) for label, ids in enumerate(self._words) if len(ids) > 1]
        if longer and self._lm.head == "masked":
            return EncodedTexts(words=len(self._words), first=None, spans=tuple(self._masked(texts)))
        spans = [TokenSpan(labels=(label,), ids=(ids[1:],), texts=self._encode(texts, label)) for label, ids in longer]
        first = encode(self._lm, self._task, texts, prompt_tokens=self._prompt_tokens, warns=not longer)
        return EncodedTexts(words=len(self._words), first=first, spans=tuple(spans))

    def scorer_with(self, scorer: Scorer) -> Callable[[Tensor, EncodedTexts], Tensor]:
        """Return a function from prompts (B, P, E) and N texts to calibrated scores (B, N, C)."""
        first = self._reader(scorer)

        def calibrated(prompts: Tensor, texts: EncodedTexts) -> Tensor:
            scores = [_raw(scorer, first, prompts, part) for part in self.parts(texts)]
            return self.calibrated(scores[0], scores[-1])

        return calibrated

    def parts(self, texts: EncodedTexts) -> list[EncodedTexts]:
        """Return all that is scored under each prompt: the texts, then the calibration's reference if it differs."""
        return [texts, *([self.reference] if self.reference and self.reference is not texts else [])]

    def calibrated(self, scores: Tensor, neutral: Tensor) -> Tensor:
        """Return scores (B, N, C) less the average log-probabilities of the reference, which has scores `neutral`."""
        return scores if self.reference is None else scores - self._average(neutral.log_softmax(dim=-1))

    def subtracted(self, scorer: Scorer, prompts: Tensor) -> Tensor:
        """Return what the calibration subtracts under prompts (B, P, E), (B, 1, C); zero without calibration."""
        if self.reference is None:
            return torch.zeros((len(prompts), 1, len(self._words)), device=prompts.device)
        return self._average(_raw(scorer, self._reader(scorer), prompts, self.reference).log_softmax(dim=-1))

    @property
    def words(self) -> tuple[tuple[int, ...], ...]:
        """Return the token ids of each class's label word, (C,)."""
        return self._words

    def _reader(self, scorer: Scorer) -> FirstTokenReader:
        plain = scorer.has_plain_head(self._first)
        return FirstTokenReader(scorer.model, self._first, plain_head=plain, narrow=scorer.narrow)

    def _masked(self, texts: Texts) -> Iterator[TokenSpan]:
        # Words with the same number of tokens share their texts, which have as many masks.
        for length in sorted({len(ids) for ids in self._words}):
            labels = tuple(label for label, ids in enumerate(self._words) if len(ids) == length)
            ids = tuple(self._words[label] for label in labels)
            yield TokenSpan(labels=labels, ids=ids, texts=self._encode(texts, labels[0]))

    def _encode(self, texts: Texts, label: int) -> Encoded:
        """Lay out texts for all tokens of a label's word; only the first of the longest, which truncates most, warns."""
        answer, warns = self._words[label][:-1], label == max(range(len(self._words)), key=lambda i: len(self._words[i]))
        return encode(self._lm, self._task, texts, prompt_tokens=self._prompt_tokens, answer=answer, warns=warns)


@torch.inference_mode()
def _raw(scorer: Scorer, first: FirstTokenReader, prompts: Tensor, texts: EncodedTexts) -> Tensor:
    """Return scores (B, N, C) before calibration."""
    if texts.first:
        scores = scorer.score(prompts, texts.first, first)
    else:
        scores = torch.zeros((len(prompts), texts.count, texts.words), device=prompts.device)
    for span in texts.spans:
        ids = torch.tensor(span.ids, device=prompts.device)
        reader = SpanReader(scorer.model, ids, after=1 if texts.first else 0, narrow=scorer.narrow)
        scores[:, :, list(span.labels)] += scorer.score(prompts, span.texts, reader)
    return scores
