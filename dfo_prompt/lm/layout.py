"""An example as the token ids around its soft prompt, in the way that a model's head wants it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.load import SENTINEL, LanguageModel
from dfo_prompt.tasks.task import Task
from dfo_prompt.tasks.template import Cloze, Template


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One example: [left] [soft prompt] [right], and what a decoder is given.

    Attributes:
        slot: the place whose output is the answer, in `decoder` where there is one, else in `right`.
    """

    left: list[int]
    right: list[int]
    slot: int
    decoder: list[int] = field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        """Return the token ids without the soft prompt."""
        return self.left + self.right


def template_of(lm: LanguageModel, task: Task) -> Template:
    """Return the template that suits the model: one whose slot is last, unless the model can fill a slot anywhere."""
    return task.masked if lm.slot_token else task.causal


def lay_out(
    lm: LanguageModel,
    task: Task,
    texts: tuple[str, ...],
    *,
    prompt_tokens: int,
    answer: Sequence[int] = (),
    room: int = 0,
) -> Layout:
    """Render and tokenise an example; one too long for the model loses the end of its longest text, never the slot.

    Args:
        lm, task: how.
        texts: of the example.
        prompt_tokens: P, for which room is kept.
        answer: the beginning of a label word, to be continued; a masked model, which fills in all at once, is given a mask
            for each of its tokens, and one more.
        room: tokens that are kept for an answer, besides those of `answer`.

    Raises:
        ModelError: even without any text it is too long; or the model is decoder-only, and nothing stands between {prompt}
            and {answer}, so that without a prompt there is no token to answer at.
    """
    template = template_of(lm, task)
    while True:
        layout = _lay_out(lm, template.render(texts), template.gap, list(answer))
        if len(layout.left) + prompt_tokens + len(layout.right) + room <= lm.max_tokens:
            return layout
        if not any(texts):
            prompt = f"the template and a prompt of {prompt_tokens} tokens"
            prompt += f", and an answer of {room}," if room else ""
            raise ModelError(f"{prompt} alone are longer than the {lm.max_tokens} tokens that {lm.name!r} takes")
        texts = shorter(texts)


def shorter(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts of an example, the longest of them without its last tenth."""
    longest = max(range(len(texts)), key=lambda i: len(texts[i]))
    cut = texts[longest][: len(texts[longest]) * 9 // 10]
    cut = cut.rpartition(" ")[0] or cut  # between words, where there are any
    return (*texts[:longest], cut, *texts[longest + 1 :])


def _lay_out(lm: LanguageModel, cloze: Cloze, gap: str, answer: list[int]) -> Layout:
    ahead, behind = lm.frame
    left = ahead + (lm.tokens(cloze.before[: cloze.prompt_at]) if cloze.prompt_at else [])
    rest, token = cloze.before[cloze.prompt_at :], lm.slot_token
    if lm.head == "causal":  # nothing may stand between the text and its answer
        right = lm.tokens(rest)
        if not right:
            raise ModelError(f"a decoder-only model such as {lm.name!r} needs text between {{prompt}} and {{answer}}")
        return Layout(left=left, right=right + answer, slot=len(right) - 1)
    masks = 1 + len(answer) if lm.head == "masked" else 1
    right = lm.tokens(rest + (gap + token * masks if token else "") + cloze.after) + behind
    if lm.head == "masked":
        # The text itself may hold mask tokens, ahead of ours.
        mask = lm.tokenizer.mask_token_id
        earlier = lm.tokens(rest).count(mask)
        places = [i for i, token in enumerate(right) if token == mask]
        return Layout(left=left, right=right, slot=places[earlier])
    decoder = [lm.decoder_start]
    if token == SENTINEL:
        decoder += lm.tokens(SENTINEL)
    elif token:  # it repairs the whole text, so it is shown what it has repaired up to the slot
        decoder += ahead + lm.tokens(cloze.before)
    else:
        decoder += lm.forced_start
    return Layout(left=left, right=right, slot=len(decoder) - 1, decoder=decoder + answer)
