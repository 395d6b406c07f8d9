"""Tiny random models of many families, and a word tokenizer."""

from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.tasks.examples import Example
from dfo_prompt.tasks.sampling import FewShot
from dfo_prompt.tasks.task import Task

WORDS = [
    "bad",
    "good",
    "film",
    "plot",
    "was",
    "it",
    "a",
    "the",
    "very",
    "dull",
    "fun",
    "long",
    "short",
    "news",
    ":",
    ".",
    "movie",
    "great",
    "terrible",
    "story",
    "and",
]
SIZES = {
    "vocab_size": len(WORDS) + 3,
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
FAMILIES: dict[str, dict[str, Any]] = {
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
}
TASK = Task(name="tiny", summary="", template="{text} . it was {answer}", labels={"0": "bad", "1": "good"})


def tiny_model(family: str = "llama", seed: int = 0) -> Any:
    config = AutoConfig.for_model(family, **{**SIZES, **FAMILIES[family]})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():  # larger than usual, so that every part of the model matters
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval().requires_grad_(requires_grad=False)


def tiny_tokenizer(*, bos: bool = False, eos: bool = False) -> PreTrainedTokenizerFast:
    vocabulary = {word: i for i, word in enumerate(["<pad>", "<s>", "</s>", *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<pad>"))
    tokenizer.pre_tokenizer = Whitespace()
    template = f"{'<s> ' if bos else ''}$A{' </s>' if eos else ''}"
    tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=[("<s>", 1), ("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def tiny_lm(family: str = "llama", **tokenizer: bool) -> LanguageModel:
    return LanguageModel(name=family, model=tiny_model(family), tokenizer=tiny_tokenizer(**tokenizer), fingerprint="tiny")


def some_examples(count: int, seed: int = 0, longest: int = 14) -> tuple[Example, ...]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest, count)
    return tuple(Example(texts=(" ".join(rng.choice(WORDS, n)),), label=int(rng.integers(2))) for n in lengths)


def few_shot(count: int = 6) -> FewShot:
    return FewShot(train=some_examples(count, 1), dev=some_examples(count, 2), test=some_examples(count, 3))


def textbook_logits(lm: LanguageModel, prompt: torch.Tensor, text: str, words: torch.Tensor) -> torch.Tensor:
    """Label-word logits of one text under one prompt (P, E): everything concatenated, no cache, no padding, all logits."""
    ids = lm.tokenizer(text).input_ids
    ids = ids[:-1] if ids[-1] == lm.tokenizer.eos_token_id else ids
    head = ids[:1] if ids[0] == lm.tokenizer.bos_token_id else []
    embed = lm.model.get_input_embeddings()
    parts = [embed(torch.tensor(head, dtype=torch.long)), prompt, embed(torch.tensor(ids[len(head) :]))]
    return lm.model(inputs_embeds=torch.cat(parts)[None], use_cache=False).logits[0, -1, words]
