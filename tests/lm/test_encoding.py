from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import TASK, some_examples, tiny_lm
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import Prepend, Replace, Sequence
from transformers import PreTrainedTokenizerFast

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.encoding import encode, encode_words, split_rows
from dfo_prompt.tasks.task import Task


def cost(runs, lengths, overhead):
    return sum(max(lengths[row] for row in run) * len(run) + overhead for run in runs)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=9), st.integers(0, 40))
def test_rows_are_split_at_the_least_cost(lengths, overhead):
    runs = split_rows(lengths, overhead)
    assert sorted(row for run in runs for row in run) == list(range(len(lengths)))
    order = sorted(range(len(lengths)), key=lambda row: lengths[row])
    cuts = [[i for i in range(1, len(order)) if mask >> (i - 1) & 1] for mask in range(2 ** (len(order) - 1))]
    least = min(cost([order[a:b] for a, b in pairwise([0, *cut, len(order)])], lengths, overhead) for cut in cuts)
    assert cost(runs, lengths, overhead) == least


def test_what_all_texts_begin_with_is_kept_apart():
    lm = tiny_lm()
    texts = [("the film was fun",), ("the film was very long",), ("the plot",)]
    encoded = encode(lm, TASK, texts, prompt_tokens=3)
    assert lm.tokenizer.decode(encoded.common) == "the"
    assert encoded.tokens == sum(len(lm.tokenizer(f"{text} . it was").input_ids) for (text,) in texts)


def test_a_text_is_never_all_common():
    encoded = encode(tiny_lm(), TASK, [("fun",)] * 3, prompt_tokens=3)
    assert all(len(bucket.ids[0]) == 1 for bucket in encoded.buckets)


def test_a_long_text_loses_its_end_and_keeps_the_slot():
    lm = tiny_lm()
    encoded = encode(lm, TASK, [("film " * 200,), ("fun",)], prompt_tokens=10)
    (bucket,) = encoded.buckets
    longest = bucket.lengths.argmax()
    ids = bucket.ids[longest, : bucket.lengths[longest]]
    assert len(ids) <= 64 - 10
    assert lm.tokenizer.decode(ids).endswith("film . it was")


def test_a_prompt_that_leaves_no_room_is_one_line():
    with pytest.raises(
        ModelError, match="the template and a prompt of 63 tokens alone are longer than the 64 tokens that 'llama' takes"
    ):
        encode(tiny_lm(), TASK, [("fun",)], prompt_tokens=63)


def test_label_words_may_be_several_tokens_but_not_the_same():
    task = Task(name="t", summary="", template="{text} {answer}", labels={"0": "very good", "1": "bad"})
    assert [len(ids) for ids in encode_words(tiny_lm(), task)] == [2, 1]
    task = Task(name="t", summary="", template="{text} {answer}", labels={"0": "odd", "1": "strange"})
    with pytest.raises(ModelError, match="label words ' odd' and ' strange' are the same tokens"):
        encode_words(tiny_lm(), task)


def test_every_text_lands_in_one_bucket():
    encoded = encode(tiny_lm(), TASK, [example.texts for example in some_examples(20)], prompt_tokens=3)
    assert sorted(torch.cat([bucket.rows for bucket in encoded.buckets]).tolist()) == list(range(20))


def test_label_words_are_tokenised_as_they_follow_a_text():
    # Like SentencePiece: a mark for a space ahead of every text.
    vocabulary = {one: i for i, one in enumerate("▁:badgo差好")}
    tokenizer = Tokenizer(BPE(vocabulary, []))
    tokenizer.normalizer = Sequence([Prepend("▁"), Replace(" ", "▁")])
    lm = replace(tiny_lm(), tokenizer=PreTrainedTokenizerFast(tokenizer_object=tokenizer))
    assert lm.tokens("差") == [vocabulary["▁"], vocabulary["差"]]
    task = replace(TASK, template="{text}{answer}", labels={"0": "差", "1": "好"})
    assert encode_words(lm, task) == ((vocabulary["差"],), (vocabulary["好"],))
    spaced = replace(TASK, template="{text} {answer}", labels={"0": "a", "1": "b"})
    assert encode_words(lm, spaced) == ((vocabulary["▁"], vocabulary["a"]), (vocabulary["▁"], vocabulary["b"]))


def test_a_decoder_needs_text_to_answer_at():
    task = replace(TASK, template="{text} . it was {prompt} {answer}")
    with pytest.raises(ModelError, match="'llama' needs text between {prompt} and {answer}"):
        encode(tiny_lm(), task, [("good film",)], prompt_tokens=3)
    encode(tiny_lm("bert"), task, [("good film",)], prompt_tokens=3)
