"""Tiny random models of many families, and a word tokenizer."""

from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, PreTrainedTokenizerFast

from dfo_prompt.lm.checkpoint import HEADS, Head
from dfo_prompt.lm.encoding import encode_words
from dfo_prompt.lm.layout import lay_out
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.packing import enable_packing
from dfo_prompt.tasks.examples import Example
from dfo_prompt.tasks.sampling import FewShot
from dfo_prompt.tasks.task import Task

LINE = "bad good film plot was it a the very dull fun long short news : . movie great terrible story and"
WORDS = LINE.split()
SPECIAL = ["<pad>", "<s>", "</s>", "<mask>", "<extra_id_0>"]
SIZES = {
    "vocab_size": len(WORDS) + len(SPECIAL),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
# What a family calls differently, or needs besides.
FAMILIES: dict[Head, dict[str, dict[str, Any]]] = {
    "causal": {
        "llama": {},
        "qwen2": {"use_sliding_window": False},
        "qwen3": {},
        "mistral": {"sliding_window": 6},
        "gemma2": {"sliding_window": 6, "query_pre_attn_scalar": 8, "final_logit_softcapping": 2.0},
        "gemma3_text": {"sliding_window": 6, "query_pre_attn_scalar": 8},
        "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64},
        "opt": {"ffn_dim": 48, "word_embed_proj_dim": 16},
        "gpt_neox": {},
        "phi3": {},
        "bloom": {"n_layer": 3, "n_head": 4},
        "cohere": {"logit_scale": 0.3},
    },
    "masked": {
        "bert": {},
        "roberta": {},
        "electra": {"embedding_size": 16},
        "albert": {"embedding_size": 16},
        "distilbert": {"dim": 32, "hidden_dim": 48, "n_layers": 3, "n_heads": 4},
        "modernbert": {"local_attention": 6, "cls_token_id": 1, "sep_token_id": 2},
        "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
    },
    "seq2seq": {
        "t5": {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_heads": 4, "decoder_start_token_id": 0},
        "bart": {
            "d_model": 32,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 48,
            "decoder_ffn_dim": 48,
            "scale_embedding": True,
            "decoder_start_token_id": 2,
        },
    },
}
HEAD_OF: dict[str, Head] = {family: head for head, families in FAMILIES.items() for family in families}
LABELS = {"0": "bad", "1": "good"}
TASK = Task(name="tiny", summary="", template="{text} . it was {answer}", labels=LABELS)
MIDDLE = Task(name="middle", summary="", template="{answer} film : {text} .", causal_template=TASK.template, labels=LABELS)
BEHIND = Task(name="behind", summary="", template="the {text} . {prompt} it was {answer}", labels=LABELS)


def tiny_model(family: str = "llama", seed: int = 0) -> Any:
    head = HEAD_OF[family]
    config = AutoConfig.for_model(family, **{**SIZES, **FAMILIES[head][family]})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = HEADS[head][1].from_config(config)
        for parameter in model.parameters():  # larger than usual, so that every part of the model matters
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval().requires_grad_(requires_grad=False)


def tiny_tokenizer(*, bos: bool = False, eos: bool = False, mask: bool = False, sentinel: bool = False) -> Any:
    marks = ["<pad>", "<s>", "</s>", *["<mask>"] * mask, *["<extra_id_0>"] * sentinel]
    words = [*SPECIAL, *WORDS]
    vocabulary = {word: i for i, word in enumerate(words) if word in (*marks, *WORDS)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<pad>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    template = f"{'<s> ' if bos else ''}$A{' </s>' if eos else ''}"
    tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=[("<s>", 1), ("</s>", 2)])
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"} | ({"mask_token": "<mask>"} if mask else {})
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def tiny_lm(family: str = "llama", *, packing: bool = True, **tokenizer: bool) -> LanguageModel:
    head = HEAD_OF[family]
    frames = {"causal": {}, "masked": {"bos": True, "eos": True, "mask": True}, "seq2seq": {"eos": True}}
    slot = {"t5": {"sentinel": True}, "bart": {"bos": True, "mask": True}}.get(family, {})
    frame = tiny_tokenizer(**{**frames[head], **slot, **tokenizer})
    model = tiny_model(family)
    if packing and head == "causal":
        enable_packing(model)
    return LanguageModel(name=family, model=model, tokenizer=frame, fingerprint="tiny", head=head)


def some_examples(count: int, seed: int = 0, longest: int = 14) -> tuple[Example, ...]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest, count)
    return tuple(Example(texts=(" ".join(rng.choice(WORDS, n)),), label=int(rng.integers(2))) for n in lengths)


def few_shot(count: int = 6) -> FewShot:
    return FewShot(train=some_examples(count, 1), dev=some_examples(count, 2), test=some_examples(count, 3))


def textbook_logits(lm: LanguageModel, task: Task, prompt: torch.Tensor, texts: tuple[str, ...]) -> torch.Tensor:
    """Label-word logits (C,) of one example under one prompt (P, E): all in one row, no cache, no padding, all logits."""
    layout = lay_out(lm, task, texts, prompt_tokens=len(prompt))
    embed = lm.model.get_input_embeddings()
    left, right = (embed(torch.tensor(ids, dtype=torch.long)) for ids in (layout.left, layout.right))
    inputs = {"inputs_embeds": torch.cat([left, prompt, right])[None]}
    slot = layout.slot + (0 if layout.decoder else len(left) + len(prompt))
    if layout.decoder:
        inputs["decoder_input_ids"] = torch.tensor([layout.decoder])
    if lm.head != "masked":
        inputs["use_cache"] = False
    return lm.model(**inputs).logits[0, slot, [ids[0] for ids in encode_words(lm, task)]]
