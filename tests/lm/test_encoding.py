from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import BPE, Unigram
from tokenizers.normalizers import Lowercase, Prepend, Replace, Sequence
from transformers import AutoConfig, PreTrainedTokenizerFast

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.answers import FirstTokenReader
from dfo_prompt.lm.checkpoint import HEADS
from dfo_prompt.lm.encoding import encode, encode_words, split_rows
from dfo_prompt.lm.layout import lay_out
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.tasks.task import Task
from dfo_prompt.testing.tiny import SIZES, TASK, some_examples, tiny_lm, tiny_tokenizer


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


@pytest.mark.parametrize(
    ("family", "changes", "limit"),
    [
        ("bert", {}, 64),
        ("roberta", {"pad_token_id": 1}, 62),
        ("xlm-roberta", {"pad_token_id": 1}, 62),
        ("camembert", {"pad_token_id": 1}, 62),
        ("mpnet", {"pad_token_id": 1}, 62),
        ("longformer", {"pad_token_id": 1, "attention_window": [4, 4, 4], "max_position_embeddings": 66}, 64),
    ],
)
def test_texts_are_cut_to_the_positions_that_a_model_has_for_them(family, changes, limit):
    head, settings = "masked", {**SIZES, **changes}
    model = HEADS[head][1].from_config(AutoConfig.for_model(family, **settings)).eval()
    tokenizer = tiny_tokenizer(bos=True, eos=True, mask=True)
    lm = LanguageModel(name=family, model=model, tokenizer=tokenizer, fingerprint="", head=head)
    assert lm.max_tokens == limit
    room = limit - 10 - len(lay_out(lm, TASK, ("",), prompt_tokens=10).ids)
    texts = encode(lm, TASK, [("film " * room,), ("film " * 200,), ("fun",)], prompt_tokens=10)
    assert texts.longest + 10 == limit
    ids = torch.tensor([7])
    reader = FirstTokenReader(model, ids, plain_head=False)
    Scorer(lm).score(torch.zeros(1, 10, lm.width), texts, reader)  # every position is there


def test_examples_that_are_truncated_are_counted(caplog):
    lm = tiny_lm()
    texts = [("film " * 100,), ("fun",)]
    encode(lm, TASK, texts, prompt_tokens=4)
    encode(lm, TASK, texts, prompt_tokens=4, answer=[7], warns=False)
    encode(lm, TASK, texts[1:], prompt_tokens=4)
    (said,) = caplog.messages
    assert f"1 of 2 examples of task {TASK.name!r} do not fit in the {lm.max_tokens} tokens that {lm.name!r} takes" in said


def test_a_limit_of_minus_one_is_none():
    lm = tiny_lm()
    lm.model.config.max_position_embeddings = -1
    assert lm.max_tokens > 10**6


def test_a_decoder_begins_as_transformers_would_begin_it():
    lm = tiny_lm("bart")
    config, generation = lm.model.config, lm.model.generation_config
    assert lay_out(lm, TASK, ("fun",), prompt_tokens=0).decoder[0] == generation.decoder_start_token_id == 2
    config.decoder_start_token_id = generation.decoder_start_token_id = None
    assert lay_out(lm, TASK, ("fun",), prompt_tokens=0).decoder[0] == config.bos_token_id == 1
    config.bos_token_id = generation.bos_token_id = None
    with pytest.raises(ModelError, match="'bart' lacks decoder_start_token_id"):
        lay_out(lm, TASK, ("fun",), prompt_tokens=0)


def test_a_decoder_is_given_the_language_that_transformers_forces():
    lm = replace(tiny_lm("bart"), tokenizer=tiny_tokenizer(eos=True))  # without a mask it goes on from the start
    assert lay_out(lm, TASK, ("fun",), prompt_tokens=0).decoder == [2]
    lm.model.generation_config.forced_bos_token_id = 9
    layout = lay_out(lm, TASK, ("fun",), prompt_tokens=0)
    assert (layout.decoder, layout.slot) == ([2, 9], 1)


def test_a_prompt_that_leaves_no_room_is_one_line():
    with pytest.raises(
        ModelError, match="the template and a prompt of 63 tokens alone are longer than the 64 tokens that 'llama' takes"
    ):
        encode(tiny_lm(), TASK, [("fun",)], prompt_tokens=63)


def test_label_words_may_be_several_tokens_but_not_the_same():
    task = Task(name="t", summary="", template="{text} {answer}", labels={"0": "very good", "1": "bad"})
    assert [len(ids) for ids in encode_words(tiny_lm(), task)] == [2, 1]
    lm = tiny_lm()
    lm.tokenizer.backend_tokenizer.normalizer = Lowercase()
    task = Task(name="t", summary="", template="{text} {answer}", labels={"0": "good", "1": "Good"})
    with pytest.raises(ModelError, match="label words ' good' and ' Good' are the same tokens"):
        encode_words(lm, task)


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "of the backend alone"])
def test_a_label_word_that_the_tokenizer_does_not_know_is_refused(declared):
    lm = tiny_lm()
    if declared:
        lm.tokenizer.unk_token = "<pad>"
    assert lm.tokenizer.unk_token_id == (0 if declared else None)
    for word in ("odd", "good odd"):
        task = Task(name="t", summary="", template="{text} {answer}", labels={"0": "good", "1": word})
        with pytest.raises(ModelError, match=f"the tokenizer of 'llama' does not know label word ' {word}'"):
            encode_words(lm, task)


@pytest.mark.parametrize(
    ("model", "inner", "unknown"),
    [
        (Unigram([("<unk>", 0.0), ("a", -1.0)], unk_id=0), {"unk_token": "<unk>"}, {0}),
        (BPE({"a": 0, "<unk>": 1}, [], unk_token="<unk>"), {}, {1}),
        (BPE({"a": 0, "<end>": 1}, []), {"unk_token": "<end>"}, {1}),
        (BPE({"a": 0}, []), {}, set()),
    ],
)
def test_tokens_for_unknown_words_are_those_of_tokenizer_and_backend(model, inner, unknown):
    lm = replace(tiny_lm(), tokenizer=PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model), **inner))
    assert lm.unknown_tokens == unknown


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


@pytest.mark.parametrize(("family", "warned"), [("llama", 1), ("t5", 1), ("bert", 0)])
def test_a_word_that_begins_another_is_warned_of(family, warned, caplog):
    encode_words(tiny_lm(family), replace(TASK, labels={"0": "good", "1": "good film"}))
    assert len(caplog.messages) == warned
    assert all("'good film' begins with the tokens of" in said.replace("' good", "'good") for said in caplog.messages)


@pytest.mark.parametrize("words", range(55, 62))
def test_the_decoder_of_a_model_that_repeats_the_text_has_room_for_it(words):
    lm = tiny_lm("bart")
    task = replace(TASK, template="{text} it was {answer}", labels={"0": "bad", "1": "good film plot"})
    layout = lay_out(lm, task, (" ".join(["film"] * words),), prompt_tokens=0, answer=[6, 7])
    assert len(layout.decoder) <= lm.max_tokens
    assert layout.truncated == (words > 58)


def test_a_masked_model_without_a_mask_token_is_refused():
    lm = tiny_lm("bert")
    bare = replace(lm, tokenizer=tiny_tokenizer(bos=True, eos=True))
    with pytest.raises(ModelError, match=f"the tokenizer of '{lm.name}' has no mask token"):
        encode(bare, TASK, [("good",)], prompt_tokens=2)
