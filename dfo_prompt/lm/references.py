"""Answers that are texts: the tokens that end them, and the likelihood of references."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.answers import Slots, answer_logits
from dfo_prompt.lm.encoding import Encoded, arranged, continuation
from dfo_prompt.lm.layout import Layout, lay_out_all, template_of
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.sections import Answer
from dfo_prompt.tasks.task import Task

LINE_END = "\n"


@dataclass(frozen=True, kw_only=True, eq=False)
class References:
    """N texts with their references, encoded for the engine.

    Attributes:
        layouts: the texts without references.
        texts: the texts, each followed by its reference without the last token, behind which nothing is read.
        ids: token ids of each reference.
    """

    layouts: tuple[Layout, ...]
    texts: Encoded
    ids: tuple[tuple[int, ...], ...]

    @property
    def tokens(self) -> int:
        """Return the number of tokens of all references."""
        return sum(map(len, self.ids))


class Places(NamedTuple):
    """The T tokens of N references.

    Attributes:
        lengths: (N,) numbers of tokens.
        longest: the largest of them.
        owner: (T,) reference of each token.
        step: (T,) index of each token in its reference.
    """

    lengths: Tensor
    longest: int
    owner: Tensor
    step: Tensor

    @classmethod
    def of(cls, lengths: Tensor) -> "Places":
        """Return the places of references of these lengths (N,)."""
        longest = int(lengths.max())
        owner, step = (torch.arange(longest, device=lengths.device) < lengths[:, None]).nonzero(as_tuple=True)
        return cls(lengths, longest, owner, step)


class LikelihoodReader:
    """Reads the mean log-likelihood of each text's own reference: (1 / T) sum over t of log p(y_t | text, y_1 ... y_{t-1}).

    Args:
        model: a causal language model of transformers.
        references: references of all texts.
        narrow: whether to compute logits only at the slots; see `answer_logits`.
    """

    width = 1

    def __init__(self, model: PreTrainedModel, references: References, *, narrow: bool = True) -> None:
        self._model, self._narrow = model, narrow
        self._lengths = torch.tensor([len(sequence) for sequence in references.ids], device=model.device)  # (N,)
        self._ids = torch.tensor([token for sequence in references.ids for token in sequence], device=model.device)
        self._starts = self._lengths.cumsum(0) - self._lengths
        # Counting the tokens makes a GPU wait, so it is done once for the same texts.
        self._places: WeakKeyDictionary[Slots, Places] = WeakKeyDictionary()

    def read(self, at: Slots, inputs: dict[str, Any]) -> Tensor:
        """Return the means (N, 1), in float32."""
        if at not in self._places:
            self._places[at] = Places.of(self._lengths[at.texts])
        lengths, longest, owner, step = self._places[at]
        ids = self._ids[self._starts[at.texts][owner] + step]
        logits = answer_logits(self._model, at.rows[owner], at.slot[owner] + step, inputs, narrow=self._narrow)  # (T, V)
        logs = torch.zeros((len(lengths), longest), device=lengths.device)
        logs[owner, step] = -cross_entropy(logits.float(), ids, reduction="none")
        return (logs.sum(dim=1) / lengths)[:, None]


def encode_references(
    lm: LanguageModel, task: Task, texts: Texts, answers: Sequence[str], *, prompt_tokens: int
) -> References:
    """Lay out texts with their references, truncated to the largest number of tokens of an answer.

    Raises:
        ModelError: see `lay_out_texts` and `reference_ids`.
    """
    ids = [reference_ids(lm, task, answer) for answer in answers]
    layouts = lay_out_texts(lm, task, texts, prompt_tokens=prompt_tokens)
    whole = [replace(layout, right=[*layout.right, *sequence[:-1]]) for layout, sequence in zip(layouts, ids, strict=True)]
    return References(layouts=tuple(layouts), texts=arranged(lm, whole), ids=tuple(map(tuple, ids)))


def lay_out_texts(lm: LanguageModel, task: Task, texts: Texts, *, prompt_tokens: int) -> list[Layout]:
    """Lay out texts with room for the longest answer.

    Raises:
        ModelError: the model is not decoder-only, or there is no room for a text.
    """
    check_generates(lm, task)
    room = rule_of(task).most_tokens
    return lay_out_all(lm, task, texts, prompt_tokens=prompt_tokens, room=room)


def check_generates(lm: LanguageModel, task: Task) -> None:
    """Check that the model can continue a text.

    Raises:
        ModelError: it is not decoder-only.
    """
    if lm.head != "causal":
        kind = f"{lm.name!r} is a {lm.head} model ({lm.model.config.model_type})"
        advice = "set problem.model (--model) to a decoder-only model; see dfo-prompt list models"
        raise ModelError(f"the answers of task {task.name!r} are texts, and {kind}; {advice}")


def reference_ids(lm: LanguageModel, task: Task, answer: str) -> list[int]:
    """Return the tokens of a reference that follows its text, including its end, truncated to the task's limit.

    Raises:
        ModelError: the model has no token for the end.
    """
    rule, word = rule_of(task), template_of(lm, task).gap + answer
    is_line = rule.ends == "line"
    ids = continuation(lm, word + LINE_END) if is_line else [*continuation(lm, word), *end_of_text(lm)[:1]]
    if not ids or ids[-1] not in stops(lm, rule):
        lacks = 'a line end; set ends = "text" in [answer] of the task' if is_line else "the end of a text"
        raise ModelError(f"the tokenizer of {lm.name!r} has no token for {lacks}")
    return ids[: rule.most_tokens]


def stops(lm: LanguageModel, rule: Answer) -> frozenset[int]:
    """Return the tokens that end an answer: end-of-text tokens and, if answers are lines, tokens with a line end."""
    key = ("stops", rule.ends)
    if key not in lm.checked:
        vocabulary = [[token] for token in range(lm.vocabulary)] if rule.ends == "line" else []
        breaks = [token for token, text in enumerate(lm.tokenizer.batch_decode(vocabulary)) if LINE_END in text]
        lm.checked[key] = frozenset([*end_of_text(lm), *breaks])
    tokens: frozenset[int] = lm.checked[key]
    return tokens


def end_of_text(lm: LanguageModel) -> list[int]:
    """Return the end-of-text tokens, the tokenizer's first."""
    known = getattr(getattr(lm.model, "generation_config", None), "eos_token_id", None)
    tokens = [lm.tokenizer.eos_token_id, *(known if isinstance(known, list) else [known])]
    return list(dict.fromkeys(token for token in tokens if token is not None))


def rule_of(task: Task) -> Answer:
    """Return the rule for the answers of a task.

    Raises:
        ValueError: the answers are labels.
    """
    if task.answer is None:
        raise ValueError(f"the answers of task {task.name!r} are labels")
    return task.answer
