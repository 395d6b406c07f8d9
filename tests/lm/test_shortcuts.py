from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoConfig

from dfo_prompt.errors import ModelError
from dfo_prompt.lm import packed_behind, packing
from dfo_prompt.lm.answers import FirstTokenReader, SpanReader
from dfo_prompt.lm.checkpoint import HEADS
from dfo_prompt.lm.encoding import encode, encode_words
from dfo_prompt.lm.layers import Layers
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.packing import enable_packing
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.states import HiddenReader
from dfo_prompt.testing.tiny import BEHIND, MIDDLE, SIZES, TASK, some_examples, textbook_logits, tiny_lm, tiny_tokenizer

SEQ2SEQ = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "decoder_start_token_id": 2,
}
JAMBA = {"num_hidden_layers": 4, "attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2, "expert_layer_period": 2}
JAMBA |= {"expert_layer_offset": 1, "mamba_d_state": 4, "mamba_dt_rank": 4}
MAMBA2 = {"num_heads": 8, "head_dim": 8, "state_size": 8, "n_groups": 2, "expand": 2, "chunk_size": 4}
XLNET = {"vocab_size": SIZES["vocab_size"], "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48, "pad_token_id": 0}
# How a family that takes no cache, ignores it or minds padding is run, and its configuration.
ODD = {
    "mamba": ("causal", "plain", {**SIZES, "state_size": 8}),
    "mamba2": ("causal", "plain", {**SIZES, **MAMBA2}),
    "rwkv": ("causal", "plain", {**SIZES, "attention_hidden_size": 32, "context_length": 64}),
    "jamba": ("causal", "plain", {**SIZES, **JAMBA}),
    "openai-gpt": ("causal", "plain", {**SIZES, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}),
    "xlnet": ("causal", "unpadded", XLNET),
    "fnet": ("masked", "unpadded", SIZES),
    "convbert": ("masked", "unpadded", {**SIZES, "embedding_size": 32}),
    "mobilebert": ("masked", "unpadded", {**SIZES, "embedding_size": 16, "intra_bottleneck_size": 32}),
    "longformer": ("masked", "plain", {**SIZES, "attention_window": [4, 4, 4], "max_position_embeddings": 80}),
    "mbart": ("seq2seq", "plain", {**SIZES, **SEQ2SEQ}),
    "m2m_100": ("seq2seq", "plain", {**SIZES, **SEQ2SEQ}),
}


def odd_lm(kind, changes=None):
    head, _, settings = ODD[kind]
    model = with_random_weights(kind, head, {**settings, **(changes or {})})
    frame = {"bos": head != "causal", "eos": head != "causal", "mask": head != "causal"}
    if head == "causal":
        enable_packing(model)
    return LanguageModel(name=kind, model=model, tokenizer=tiny_tokenizer(**frame), fingerprint="tiny", head=head)


def with_random_weights(kind, head, settings):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = HEADS[head][1].from_config(AutoConfig.for_model(kind, **settings))
        for parameter in model.parameters():
            if parameter.numel():
                torch.nn.init.normal_(parameter, std=0.3)
    return model.eval().requires_grad_(requires_grad=False)


def prompts_of(lm, count=2, tokens=5):
    return torch.tensor(np.random.default_rng(0).normal(0, 0.3, (count, tokens, lm.width)), dtype=torch.float32)


def encoded(lm, task=TASK, *, longest=14, prompt_tokens=5):
    return encode(lm, task, [example.texts for example in some_examples(9, longest=longest)], prompt_tokens=prompt_tokens)


def engine(lm, task=TASK, **texts):
    return Scorer(lm).engine(encoded(lm, task, **texts), prompt_tokens=5)


def scores(lm, task=TASK):
    scorer, ids = Scorer(lm), torch.tensor([ids[0] for ids in encode_words(lm, task)])
    reader = FirstTokenReader(lm.model, ids, plain_head=scorer.has_plain_head(ids), narrow=scorer.narrow)
    return scorer.score(prompts_of(lm), encoded(lm, task), reader)


@torch.inference_mode()
def textbook(lm, task=TASK):
    texts = [example.texts for example in some_examples(9)]
    return torch.stack(
        [torch.stack([textbook_logits(lm, task, prompt, text) for text in texts]) for prompt in prompts_of(lm)]
    )


@pytest.mark.parametrize("task", [TASK, MIDDLE, BEHIND], ids=lambda task: task.name)
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind not in ("mamba", "xlnet", "mbart"))) for kind in ODD]
)
@pytest.mark.filterwarnings("ignore:.*use_cache.*:FutureWarning")
def test_models_that_a_shortcut_would_change_are_run_without_it(kind, task):
    lm = odd_lm(kind)
    assert engine(lm, task) == ODD[kind][1]
    torch.testing.assert_close(scores(lm, task), textbook(lm, task), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("family", "packing", "task", "expected"),
    [
        ("llama", True, TASK, "packed"),
        ("llama", False, TASK, "cached"),
        ("llama", True, BEHIND, "packed"),
        ("llama", False, BEHIND, "cached"),
        ("mistral", True, TASK, "packed"),
        ("gemma2", False, BEHIND, "cached"),
        ("bert", False, TASK, "plain"),
        ("t5", False, BEHIND, "plain"),
    ],
)
def test_the_fastest_exact_engine_is_taken(family, packing, task, expected):
    assert engine(tiny_lm(family, packing=packing), task) == expected


def test_packed_rows_do_not_depend_on_the_strides_of_attention(monkeypatch):
    attend = packing.scaled_dot_product_attention

    def strided(*given, **options):  # as CUDA returns it: heads beside positions
        return attend(*given, **options).transpose(1, 2).contiguous().transpose(1, 2)

    monkeypatch.setattr(packing, "scaled_dot_product_attention", strided)
    assert engine(tiny_lm()) == "packed"


def test_a_window_longer_than_one_check_is_met_by_the_check_for_longer_texts(monkeypatch):
    sees = packing._visible
    monkeypatch.setattr(packing, "_visible", lambda distance, _: sees(distance, None))  # packed rows forget the window
    lm = tiny_lm("mistral", packing=False)
    lm.model.config.sliding_window = 40
    enable_packing(lm.model)
    assert engine(lm, longest=4) == "packed"
    assert engine(lm, longest=40) == "cached"
    monkeypatch.undo()
    lm = replace(lm)  # nothing is known about it any more
    assert engine(lm, longest=40) == "packed"


@pytest.mark.parametrize("task", [TASK, BEHIND], ids=["prompt first", "texts first"])
@pytest.mark.parametrize(("packing", "fallback"), [(True, "packed"), (False, "plain")])
def test_a_cache_that_is_not_continued_from_is_left_out(task, packing, fallback):
    lm = tiny_lm(packing=packing)
    forget = lambda _, args, named: (args, {**named, "past_key_values": None})  # noqa: E731
    lm.model.model.register_forward_pre_hook(forget, with_kwargs=True)
    assert engine(lm, task) == fallback
    torch.testing.assert_close(scores(lm, task), textbook(lm, task), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("packing", [True, False], ids=["packed", "cached"])
def test_texts_beside_a_text_that_change_it_are_run_apart(packing):
    lm = tiny_lm(packing=packing)

    def mixed(_, __, output):
        output.last_hidden_state = output.last_hidden_state + output.last_hidden_state.mean(dim=(0, 1)) / 10

    lm.model.model.register_forward_hook(mixed)
    assert engine(lm) == "single"
    torch.testing.assert_close(scores(lm), textbook(lm), atol=1e-4, rtol=1e-4)


def test_a_model_is_checked_once_for_a_length():
    lm, runs = tiny_lm(), []
    engine(lm)
    lm.model.model.register_forward_hook(lambda *_: runs.append(1))
    engine(lm)
    engine(lm, longest=10)
    assert not runs
    engine(lm, longest=30)
    assert runs


def blind(lm, head="model"):
    """Let a model see zeros, whatever embeddings it is given."""
    body = getattr(lm.model, head)
    forward = body.forward

    def without(input_ids=None, inputs_embeds=None, **named):
        given = input_ids if inputs_embeds is None else torch.zeros(inputs_embeds.shape[:2], dtype=torch.long)
        return forward(input_ids=given, **named)

    body.forward = without
    return lm


@pytest.mark.parametrize(("family", "body"), [("llama", "model"), ("bert", "bert")])
def test_a_model_on_which_a_prompt_has_no_effect_is_refused(family, body):
    with pytest.raises(ModelError, match=f"a soft prompt has no effect on '{family}', a {family} model"):
        engine(blind(tiny_lm(family, packing=False), body))


@pytest.mark.parametrize("kind", ["pegasus", "marian"])
def test_a_model_that_scales_embeddings_of_tokens_alone_is_refused(kind):
    model = with_random_weights(kind, "seq2seq", {**SIZES, **SEQ2SEQ, "scale_embedding": True})
    frame = tiny_tokenizer(eos=True)
    lm = LanguageModel(name=kind, model=model, tokenizer=frame, fingerprint="tiny", head="seq2seq")
    with pytest.raises(ModelError, match=f"'{kind}', a {kind} model, takes no soft prompt: it gives other"):
        engine(lm)


def test_a_model_that_takes_no_embeddings_is_refused():
    lm = tiny_lm(packing=False)
    forward = lm.model.forward
    lm.model.forward = lambda input_ids, **named: forward(input_ids=input_ids, **named)
    with pytest.raises(ModelError, match=r"'llama' takes no soft prompt: .*input_ids"):
        engine(lm)


def test_a_model_with_scores_that_are_not_finite_is_refused():
    lm = tiny_lm()
    lm.model.lm_head.weight[0] = torch.nan
    lm.model.model.norm.weight[0] = torch.inf
    with pytest.raises(ModelError, match="'llama' gives scores that are not finite"):
        engine(lm)


def test_a_head_that_is_not_called_is_read_in_full():
    lm = odd_lm("mobilebert")
    assert not Scorer(lm).narrow
    ids = torch.tensor([lm.tokens("very"), lm.tokens("good")])
    scorer, texts = Scorer(lm), encoded(lm)
    found = scorer.score(prompts_of(lm), texts, SpanReader(lm.model, ids, after=0, narrow=scorer.narrow))
    first = FirstTokenReader(lm.model, ids[:, 0], plain_head=False, narrow=False)
    every = FirstTokenReader(lm.model, torch.arange(lm.model.config.vocab_size), plain_head=False, narrow=False)
    expected = scorer.score(prompts_of(lm), texts, first) - scorer.score(prompts_of(lm), texts, every).logsumexp(-1, True)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(ModelError, match="a mobilebert model does not compute its logits with its output"):
        scorer.score(prompts_of(lm), texts, FirstTokenReader(lm.model, ids[:, 0], plain_head=False))


def test_layers_that_cannot_be_resumed_are_run_whole(monkeypatch):
    lm, ids = tiny_lm(), torch.tensor([7, 8])
    deep = torch.tensor(np.random.default_rng(0).normal(0, 0.3, (3, 3, 5, lm.width)), dtype=torch.float32)
    deep[1:, :2] = deep[0, :2]
    reader = FirstTokenReader(lm.model, ids, plain_head=False)
    expected = Scorer(lm).score(deep, encoded(lm), reader)

    def refuses(*_):
        raise AttributeError("no such layer")

    monkeypatch.setattr(Layers, "from_layer", refuses)
    torch.testing.assert_close(Scorer(lm).score(deep, encoded(lm), reader), expected, atol=1e-4, rtol=1e-4)


def test_each_reader_finds_out_what_it_reads_from_a_resumed_run():
    lm = tiny_lm()
    deep = torch.tensor(np.random.default_rng(0).normal(0, 0.3, (3, 3, 5, lm.width)), dtype=torch.float32)
    deep[1:, :2] = deep[0, :2]
    scorer, texts = Scorer(lm), encoded(lm)
    for layers in ([3], [1], [1, 3]):  # layer 1 is below those that run again
        reader = HiddenReader(lm, layers)
        alone = torch.cat([scorer.score(prompt[None], texts, reader) for prompt in deep])
        torch.testing.assert_close(scorer.score(deep, texts, reader), alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("packing", "rows"), [(True, 12), (False, 1)], ids=["packed", "cached"])
def test_keys_and_values_of_texts_are_kept_between_queries_and_exact_in_any_batch(packing, rows):
    lm, texts = tiny_lm(packing=packing), [example.texts for example in some_examples(12)]
    texts, scorer = encode(lm, BEHIND, texts, prompt_tokens=5), Scorer(lm)
    reader = FirstTokenReader(lm.model, torch.tensor([7, 8]), plain_head=False)
    assert scorer.engine(texts, prompt_tokens=5) == ("packed" if packing else "cached")
    prompts, lengths = prompts_of(lm, count=6), []
    together = scorer.score(prompts, texts, reader)
    lm.model.model.register_forward_pre_hook(
        lambda _, __, named: lengths.append(named["inputs_embeds"].shape[1]), with_kwargs=True
    )
    apart = torch.cat([scorer.score(prompts[i : i + 1], texts, reader) for i in (5, 0, 3, 1, 2, 4)])
    assert torch.equal(apart, together[[5, 0, 3, 1, 2, 4]])
    # The prompt and what follows it, of a text or of all 12 in one row: no text is read again.
    assert set(lengths) == {rows * (5 + len(lm.tokens("it was")))}


def test_prompts_of_several_lengths_share_the_keys_and_values_that_are_kept():
    lm = tiny_lm()
    texts = encode(lm, BEHIND, [example.texts for example in some_examples(9)], prompt_tokens=5)
    reader = FirstTokenReader(lm.model, torch.tensor([7, 8]), plain_head=False)
    scorer = Scorer(lm)
    for tokens in (2, 5, 0, 3):
        prompts = prompts_of(lm, tokens=tokens)
        alone = Scorer(lm).score(prompts, texts, reader)
        assert torch.equal(scorer.score(prompts, texts, reader), alone)


def test_texts_are_read_again_where_there_are_too_many_to_keep(monkeypatch):
    lm, texts, ran = tiny_lm(), [example.texts for example in some_examples(9)], []
    texts, scorer = encode(lm, BEHIND, texts, prompt_tokens=5), Scorer(lm)
    reader, prompts = FirstTokenReader(lm.model, torch.tensor([7, 8]), plain_head=False), prompts_of(lm)
    expected = scorer.score(prompts, texts, reader)
    monkeypatch.setattr(packed_behind, "KEPT_TOKENS", 10)
    scorer = Scorer(lm)
    scorer.score(prompts, texts, reader)
    lm.model.model.register_forward_pre_hook(lambda *_: ran.append(1))
    assert torch.equal(scorer.score(prompts, texts, reader), expected)
    assert len(ran) == 1 + len(prompts)
