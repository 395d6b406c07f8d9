"""Lays out an example as token ids around its soft prompt, in the form that the model's head needs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.load import SENTINEL, LanguageModel
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.task import Task
from dfo_prompt.tasks.template import Cloze, Template

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One example: [left] [soft prompt] [right], and the input of a decoder.

    Attributes:
        left: token ids ahead of the soft prompt.
        right: token ids behind the soft prompt.
        slot: position whose output is the answer, in `decoder` if there is one, else in `right`.
        decoder: input ids of an encoder-decoder's decoder; [] for other models.
        texts: the example's texts as they are laid out.
        truncated: whether they are shortened.
    """

    left: list[int]
    right: list[int]
    slot: int
    decoder: list[int] = field(default_factory=list)
    texts: tuple[str, ...] = ()
    truncated: bool = False

    @property
    def ids(self) -> list[int]:
        """Return the token ids without the soft prompt."""
        return self.left + self.right


def template_of(lm: LanguageModel, task: Task) -> Template:
    """Return the template for the model: one whose slot is last, unless the model can fill a slot at any position."""
    return task.masked if lm.slot_token else task.causal


def lay_out_all(
    lm: LanguageModel,
    task: Task,
    texts: Texts,
    *,
    prompt_tokens: int,
    answer: Sequence[int] = (),
    room: int = 0,
    warns: bool = True,
) -> list[Layout]:
    """Lay out examples as `lay_out` does, and log a warning if any of them had to be truncated, unless `warns` is false.

    Raises:
        ModelError: see `lay_out`.
    """
    layouts = [lay_out(lm, task, example, prompt_tokens=prompt_tokens, answer=answer, room=room) for example in texts]
    cut = sum(layout.truncated for layout in layouts)
    if cut and warns:
        said = f"{cut:,} of {len(layouts):,} examples of task {task.name!r} do not fit in the {lm.max_tokens:,} tokens"
        logger.warning("%s that %r takes: the ends of their longest texts are left out", said, lm.name)
    return layouts


def lay_out(
    lm: LanguageModel,
    task: Task,
    texts: tuple[str, ...],
    *,
    prompt_tokens: int,
    answer: Sequence[int] = (),
    room: int = 0,
) -> Layout:
    """Render and tokenise an example; if it is too long for the model, truncate its longest text at the end.

    Args:
        lm: the model.
        task: the task, which has the template.
        texts: texts of the example.
        prompt_tokens: P, the room to leave for a soft prompt.
        answer: first tokens of a label word, whose next token is read. A masked model predicts all tokens at once, so it
            gets a mask for each of these and one more.
        room: number of tokens to leave for an answer, besides those of `answer`.

    Raises:
        ModelError: the example is too long even without its texts; or a decoder-only model has no token between {prompt} and
            {answer}, and so no position to read an answer at if the prompt is empty.
    """
    template, given = template_of(lm, task), texts
    while True:
        layout = _lay_out(lm, template.render(texts), template.gap, list(answer))
        longest = max(len(layout.left) + prompt_tokens + len(layout.right) + room, len(layout.decoder))
        if longest <= lm.max_tokens:
            return replace(layout, texts=texts, truncated=texts != given)
        if not any(texts):
            parts = f"the template and a prompt of {prompt_tokens} tokens"
            parts += f", and an answer of {room}," if room else ""
            raise ModelError(f"{parts} alone are longer than the {lm.max_tokens} tokens that {lm.name!r} takes")
        texts = shorter(texts)


def shorter(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts of an example without the last tenth of the longest."""
    longest = max(range(len(texts)), key=lambda i: len(texts[i]))
    cut = texts[longest][: len(texts[longest]) * 9 // 10]
    cut = cut.rpartition(" ")[0] or cut  # between words, if there is a space
    return (*texts[:longest], cut, *texts[longest + 1 :])


def _lay_out(lm: LanguageModel, cloze: Cloze, gap: str, answer: list[int]) -> Layout:
    ahead, behind = lm.frame
    left = ahead + (lm.tokens(cloze.before[: cloze.prompt_at]) if cloze.prompt_at else [])
    rest, token = cloze.before[cloze.prompt_at :], lm.slot_token
    if lm.head == "causal":  # without the final special tokens: the answer follows the text directly
        right = lm.tokens(rest)
        if not right:
            raise ModelError(f"a decoder-only model such as {lm.name!r} needs text between {{prompt}} and {{answer}}")
        return Layout(left=left, right=right + answer, slot=len(right) - 1)
    masks = 1 + len(answer) if lm.head == "masked" else 1
    right = lm.tokens(rest + (gap + token * masks if token else "") + cloze.after) + behind
    if lm.head == "masked":
        # The text itself may contain mask tokens ahead of the slot.
        mask = lm.tokenizer.mask_token_id
        earlier = lm.tokens(rest).count(mask)
        positions = [i for i, token in enumerate(right) if token == mask]
        return Layout(left=left, right=right, slot=positions[earlier])
    decoder = [lm.decoder_start]
    if token == SENTINEL:
        decoder += lm.tokens(SENTINEL)
    elif token:  # the model reconstructs the whole text, so its decoder gets the text up to the slot
        decoder += ahead + lm.tokens(cloze.before)
    else:
        decoder += lm.forced_start
    return Layout(left=left, right=right, slot=len(decoder) - 1, decoder=decoder + answer)
