"""A tiny language model with random weights, for tests."""

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

WORDS = ("bad", "good", "film", "plot", "was", "it", "the", "very", "dull", "fun", "long", "short", ".")
SPECIAL = ("<pad>", "<s>", "</s>")
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}


def save_tiny_model(folder: Path, *, seed: int = 0) -> None:
    """Write a causal language model of two layers, and a tokenizer of `WORDS`, as transformers keeps them."""
    words = {word: i for i, word in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(WordLevel(words, unk_token="<pad>"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = WhitespaceSplit()
    marks = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **marks).save_pretrained(folder)
    config = AutoConfig.for_model("llama", vocab_size=len(words), bos_token_id=1, eos_token_id=2, pad_token_id=0, **SIZES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():  # larger than usual, so that every part of the model matters
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
