"""Label words in the tokens of a model, as endpoints score them."""

from collections.abc import Sequence
from itertools import pairwise

from dfo_prompt.contracts.endpoint import Label
from dfo_prompt.endpoints.words import LabelWords
from dfo_prompt.lm.encoding import ANCHOR, encode_words
from dfo_prompt.lm.layout import template_of
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.tasks.task import Task


def label_words(lm: LanguageModel, task: Task) -> LabelWords:
    """Return the tokens of a task's label words, with their texts."""
    texts = template_of(lm, task).words(task.words)
    pairs = zip(texts, encode_words(lm, task), strict=True)
    return tuple(tuple(map(_label, _pieces(lm, text, ids), ids)) for text, ids in pairs)


def _label(text: str, token: int) -> Label:
    return Label(text=text, token=token)


def _pieces(lm: LanguageModel, word: str, ids: Sequence[int]) -> list[str]:
    """Return the text of each token of a label word with its spaces, which decoders of some tokenizers drop."""
    for ahead in (ANCHOR, "") if lm.tokenizer.is_fast else ():  # only fast tokenizers tell offsets
        encoded = lm.tokenizer(ahead + word, add_special_tokens=False, return_offsets_mapping=True)
        if tuple(encoded.input_ids[-len(ids) :]) == tuple(ids):
            ends = [end for _, end in encoded.offset_mapping[-len(ids) :]]
            return [(ahead + word)[start:end] for start, end in pairwise([len(ahead), *ends[:-1], len(ahead + word)])]
    return [str(lm.tokenizer.decode([token])) for token in ids]
