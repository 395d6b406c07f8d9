import numpy as np
import pytest
import torch
from families import engines, families
from torch.nn.functional import linear

from dfo_prompt.errors import ModelError
from dfo_prompt.lm import strategies
from dfo_prompt.lm.answers import FirstTokenReader, Slots, answer_logits
from dfo_prompt.lm.encoding import encode, encode_words
from dfo_prompt.lm.layers import Layers
from dfo_prompt.lm.layout import lay_out
from dfo_prompt.lm.precision import choose_precision
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.testing.tiny import BEHIND, HEAD_OF, MIDDLE, TASK, some_examples, textbook_logits, tiny_lm


def some_prompts(lm, count=3, tokens=5):
    rng = np.random.default_rng(0)
    return torch.tensor(rng.normal(0, 0.3, (count, tokens, lm.width)), dtype=torch.float32)


def score(lm, prompts, examples, task=TASK):
    texts = encode(lm, task, [example.texts for example in examples], prompt_tokens=prompts.shape[1])
    scorer = Scorer(lm)
    return scorer.score(prompts, texts, first_tokens(lm, scorer, task))


def first_tokens(lm, scorer, task=TASK):
    ids = torch.tensor([ids[0] for ids in encode_words(lm, task)])
    return FirstTokenReader(lm.model, ids, plain_head=scorer.has_plain_head(ids))


def expected(lm, prompts, examples, task=TASK):
    return torch.stack(
        [torch.stack([textbook_logits(lm, task, prompt, example.texts) for example in examples]) for prompt in prompts]
    )


def assert_exact(lm, prompts, examples, task=TASK):
    scores = score(lm, prompts, examples, task)
    torch.testing.assert_close(scores, expected(lm, prompts, examples, task), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("task", [TASK, MIDDLE, BEHIND], ids=lambda task: task.name)
@pytest.mark.parametrize(("family", "packing"), engines())
def test_the_engine_equals_the_textbook_loop(family, packing, task):
    lm = tiny_lm(family, packing=packing)
    assert_exact(lm, some_prompts(lm), some_examples(9), task)


@pytest.mark.parametrize("tokenizer", [{"bos": True}, {"eos": True}, {"bos": True, "eos": True}])
def test_special_tokens_go_where_the_model_expects_them(tokenizer):
    lm = tiny_lm(**tokenizer)
    layout = lay_out(lm, TASK, ("good film",), prompt_tokens=5)
    assert layout.left == [1] * tokenizer.get("bos", False)
    assert lm.tokenizer.decode(layout.right) == "good film . it was"
    assert_exact(lm, some_prompts(lm), some_examples(5))


@pytest.mark.parametrize("family", ["llama", "gpt2", "mistral", "bert", "t5"])
def test_no_prompt_at_all_is_the_hand_written_prompt(family):
    lm = tiny_lm(family)
    assert_exact(lm, some_prompts(lm, count=1, tokens=0), some_examples(5))


def test_one_text_alone_is_scored_too():
    lm = tiny_lm()
    assert_exact(lm, some_prompts(lm), some_examples(1))


def test_a_score_does_not_depend_on_the_rest_of_the_batch():
    lm, examples = tiny_lm(), some_examples(9)
    prompts = some_prompts(lm, count=4)
    together = score(lm, prompts, examples)
    for i in range(4):
        assert torch.equal(score(lm, prompts[i : i + 1], examples)[0], together[i])


def test_the_prompt_matters():
    lm, examples = tiny_lm(), some_examples(4)
    logits = score(lm, some_prompts(lm, count=2), examples)
    assert (logits[0] - logits[1]).abs().min() > 1e-3


@pytest.mark.parametrize("task", [TASK, BEHIND], ids=lambda task: task.name)
@pytest.mark.parametrize(("family", "packing"), [("llama", True), ("llama", False), ("bert", False), ("t5", False)])
def test_less_runs_at_a_time_where_memory_does_not_suffice(family, packing, task, monkeypatch):
    lm, examples, prompts = tiny_lm(family, packing=packing), some_examples(9), some_prompts(tiny_lm(family))
    texts = encode(lm, task, [example.texts for example in examples], prompt_tokens=5)
    scorer = Scorer(lm)
    reader, refused = first_tokens(lm, scorer, task), []
    read = type(reader).read

    def small(self, at, arguments):
        if len(at.slot) > 2:
            refused.append(len(at.slot))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return read(self, at, arguments)

    monkeypatch.setattr(type(reader), "read", small)
    wanted = expected(lm, prompts, examples, task)
    torch.testing.assert_close(scorer.score(prompts, texts, reader), wanted, atol=1e-4, rtol=1e-4)
    before = len(refused)
    torch.testing.assert_close(scorer.score(prompts, texts, reader), wanted, atol=1e-4, rtol=1e-4)
    assert len(refused) - before < before  # the second time it is remembered
    monkeypatch.setattr(type(reader), "read", lambda *_: small(reader, Slots(rows=None, slot=range(3), texts=None), None))
    with pytest.raises(torch.OutOfMemoryError):
        scorer.score(prompts, texts, reader)


@pytest.mark.parametrize("packing", [True, False], ids=["packed", "cached"])
def test_texts_ahead_of_the_prompt_run_once_even_if_their_buckets_are_split(packing, monkeypatch):
    monkeypatch.setattr(strategies, "MOST_TOKENS", 12)
    lm, examples = tiny_lm(packing=packing), some_examples(9)
    prompts = some_prompts(lm, count=1)
    texts = encode(lm, BEHIND, [example.texts for example in examples], prompt_tokens=5)
    scorer, run = Scorer(lm), []
    reader = first_tokens(lm, scorer, BEHIND)
    assert any(len(bucket.split(12)) > 1 for bucket in texts.buckets)
    scorer.engine(texts, prompt_tokens=5)  # compares engines by runs of its own
    count = lambda _, __, inputs: run.append(inputs["inputs_embeds"][..., 0].numel())  # noqa: E731
    lm.model.base_model.register_forward_pre_hook(count, with_kwargs=True)
    tokens = []
    for _ in range(3):
        run.clear()
        scores = scorer.score(prompts, texts, reader)
        tokens.append(sum(run))
        torch.testing.assert_close(scores, expected(lm, prompts, examples, BEHIND), atol=1e-4, rtol=1e-4)
    left = sum(bucket.left.numel() for bucket in texts.buckets)
    assert tokens[1] == tokens[2] <= tokens[0] - left


def test_torchs_generator_is_left_alone():
    lm = tiny_lm()
    before = torch.get_rng_state()
    score(lm, some_prompts(lm), some_examples(3))
    assert torch.equal(torch.get_rng_state(), before)


DEEP = [family for family in HEAD_OF if family not in ("albert", "opt", "electra")]


def deep_prompts(lm, count=3, tokens=5):
    rng = np.random.default_rng(0)
    return torch.tensor(rng.normal(0, 0.3, (count, len(Layers(lm.model)), tokens, lm.width)), dtype=torch.float32)


def deeply(lm, prompts, examples, task=TASK):
    """The textbook loop, with the prompts of the layers put in by hooks of its own."""

    def logits(prompt, texts):
        left = len(lay_out(lm, task, texts, prompt_tokens=prompt.shape[1]).left)
        with Layers(lm.model).prompts(prompt, left):
            return textbook_logits(lm, task, prompt[0], texts)

    return torch.stack([torch.stack([logits(prompt, example.texts) for example in examples]) for prompt in prompts])


@pytest.mark.parametrize("task", [TASK, MIDDLE, BEHIND], ids=lambda task: task.name)
@pytest.mark.parametrize(("family", "packing"), engines(DEEP))
def test_deep_prompts_equal_the_textbook_loop(family, packing, task):
    lm, examples = tiny_lm(family, packing=packing), some_examples(9)
    prompts = deep_prompts(lm)
    expected = deeply(lm, prompts, examples, task)
    torch.testing.assert_close(score(lm, prompts, examples, task), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", families(DEEP))
def test_a_layer_to_which_nothing_is_added_is_as_it_was(family):
    lm, examples = tiny_lm(family), some_examples(5)
    prompts = deep_prompts(lm)
    prompts[:, 1:] = 0
    torch.testing.assert_close(score(lm, prompts, examples), score(lm, prompts[:, 0], examples), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("family", "layer"), [("llama", "model.layers.1"), ("bert", "bert.encoder.layer.1"), ("t5", "encoder.block.1")]
)
@pytest.mark.parametrize("task", [TASK, BEHIND], ids=lambda task: task.name)
def test_a_prompt_is_added_to_what_its_layer_is_given(family, layer, task):
    lm, examples, own = tiny_lm(family), some_examples(1), deep_prompts(tiny_lm(family), count=1)
    own[:, 2:] = 0
    found = score(lm, own, examples, task)
    at = len(lay_out(lm, task, examples[0].texts, prompt_tokens=5).left)

    def add(_, inputs):
        inputs[0][:, at : at + 5] += own[0, 1]

    lm.model.get_submodule(layer).register_forward_pre_hook(add)
    expected = textbook_logits(lm, task, own[0, 0], examples[0].texts)
    torch.testing.assert_close(found[0, 0], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", families(DEEP))
def test_what_lies_below_the_first_difference_is_shared_and_exact(family):
    lm, examples = tiny_lm(family), some_examples(9)
    for first in range(1, len(Layers(lm.model))):
        prompts = deep_prompts(lm)
        prompts[1:, :first] = prompts[0, :first]
        torch.testing.assert_close(score(lm, prompts, examples), deeply(lm, prompts, examples), atol=1e-4, rtol=1e-4)


def test_layers_below_are_not_computed_again():
    lm, examples = tiny_lm("llama"), some_examples(4)
    prompts = deep_prompts(lm, count=5)
    prompts[1:, :2] = prompts[0, :2]
    texts = encode(lm, TASK, [example.texts for example in examples], prompt_tokens=5)
    scorer = Scorer(lm)
    reader = first_tokens(lm, scorer)
    scorer.engine(texts, prompt_tokens=5)  # checked once, before anything is counted
    calls = []
    for index, layer in enumerate(lm.model.model.layers):
        layer.register_forward_hook(lambda *_, index=index: calls.append(index))
    scorer.score(prompts, texts, reader)
    # The first candidate, one more run to see that beginning at layer 2 is exact, and the other four.
    assert [calls.count(index) for index in range(3)] == [1, 1, 6]


def test_a_model_without_a_stack_is_refused():
    with pytest.raises(ModelError, match="albert has no stack of layers with separate weights"):
        Layers(tiny_lm("albert").model)


@pytest.mark.parametrize(
    ("family", "cap", "plain"),
    [("llama", None, True), ("gpt2", None, True), ("gemma2", None, True), ("gemma2", 30.0, False)],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_head_that_caps_its_logits_however_little_is_found_out(family, cap, plain, dtype):
    lm = tiny_lm(family)
    if family == "gemma2":
        lm.model.config.final_logit_softcapping = cap
    chosen = choose_precision(lm, dtype, lambda _: np.zeros(1))
    ids = torch.tensor([ids[0] for ids in encode_words(lm, TASK)])
    assert Scorer(lm, chosen).has_plain_head(ids) is plain


@pytest.mark.parametrize("narrow", [True, False], ids=["narrow", "wide"])
@pytest.mark.parametrize("family", families(HEAD_OF))
def test_logits_of_a_reduced_precision_are_computed_in_float32(family, narrow):
    lm = tiny_lm(family)
    chosen, rows = choose_precision(lm, "bfloat16", lambda _: np.zeros(1)), torch.arange(2)
    inputs = {"input_ids": torch.tensor([[5, 6, 7], [8, 9, 10]])}
    if lm.head == "seq2seq":
        inputs["decoder_input_ids"] = inputs["input_ids"]
    head, calls = chosen.model.get_output_embeddings(), []
    head.register_forward_hook(lambda _, given, product: calls.append((given[0], product)))
    with torch.inference_mode(), chosen.context():
        logits = answer_logits(chosen.model, rows, rows, inputs, narrow=narrow)
    ((states, product),) = calls
    assert (states.shape[1], logits.dtype, product.dtype) == (1 if narrow else 3, torch.float32, torch.float32)
    torch.testing.assert_close(product, linear(states.float(), head.weight, head.bias), atol=1e-6, rtol=1e-6)
