"""Tiny language models with random weights, of many families, and data they know the words of: for tests of plugins.

    from dfo_prompt.testing.tiny import TASK, few_shot, tiny_lm

    problem = dp.Problem(lm=tiny_lm("bert"), task=TASK, data=few_shot(), seed=0)

A model is made in milliseconds, from no file, and is the same on each call.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerFast

from dfo_prompt.lm.checkpoint import HEADS
from dfo_prompt.lm.encoding import encode_words
from dfo_prompt.lm.layout import lay_out
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.packing import enable_packing
from dfo_prompt.tasks.examples import Example
from dfo_prompt.tasks.sampling import FewShot
from dfo_prompt.tasks.task import Task
from dfo_prompt.testing.families import FAMILIES, FRAMES, HEAD_OF, SIZES, SLOTS, SPECIAL, WORDS

__all__ = [
    "BEHIND",
    "HEAD_OF",
    "LABELS",
    "MIDDLE",
    "SIZES",
    "TASK",
    "WORDS",
    "few_shot",
    "save_tiny_model",
    "some_examples",
    "textbook_logits",
    "tiny_lm",
    "tiny_model",
    "tiny_tokenizer",
]
LABELS = {"0": "bad", "1": "good"}
TASK = Task(name="tiny", summary="", template="{text} . it was {answer}", labels=LABELS)
MIDDLE = Task(name="middle", summary="", template="{answer} film : {text} .", causal_template=TASK.template, labels=LABELS)
BEHIND = Task(name="behind", summary="", template="the {text} . {prompt} it was {answer}", labels=LABELS)


def tiny_model(family: str = "llama", seed: int = 0) -> PreTrainedModel:
    """Return a model of three layers and 32 channels; `family` is the `model_type` of transformers, a key of `HEAD_OF`."""
    head = HEAD_OF[family]
    config = AutoConfig.for_model(family, **{**SIZES, **FAMILIES[head][family]})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = HEADS[head][1].from_config(config)
        for parameter in model.parameters():  # larger than usual, so that every part of the model matters
            torch.nn.init.normal_(parameter, std=0.3)
    model.train(mode=False)
    model.requires_grad_(requires_grad=False)
    return model


def tiny_tokenizer(
    *, bos: bool = False, eos: bool = False, mask: bool = False, sentinel: bool = False
) -> PreTrainedTokenizerFast:
    """Return a tokenizer with one token for each of `WORDS`.

    Args:
        bos, eos: whether texts are framed by the marks `<s>` and `</s>`.
        mask, sentinel: whether the vocabulary has `<mask>` and `<extra_id_0>`.
    """
    marks = ["<pad>", "<s>", "</s>", *["<mask>"] * mask, *["<extra_id_0>"] * sentinel]
    words = [*SPECIAL, *WORDS]
    vocabulary = {word: i for i, word in enumerate(words) if word in (*marks, *WORDS)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<pad>"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = WhitespaceSplit()
    template = f"{'<s> ' if bos else ''}$A{' </s>' if eos else ''}"
    tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=[("<s>", 1), ("</s>", 2)])
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", **({"mask_token": "<mask>"} if mask else {})}
    framed: PreTrainedTokenizerFast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)  # type: ignore[no-untyped-call]
    return framed


def tiny_lm(family: str = "llama", *, packing: bool = True, **tokenizer: bool) -> LanguageModel:
    """Return a loaded model of the family, with the tokenizer that suits its head.

    Args:
        family: a key of `HEAD_OF`.
        packing: whether a causal model takes packed rows, as loaded models do.
        tokenizer: arguments of `tiny_tokenizer` that differ from those of the family.
    """
    head = HEAD_OF[family]
    frame = tiny_tokenizer(**{**FRAMES[head], **SLOTS.get(family, {}), **tokenizer})
    model = tiny_model(family)
    if packing and head == "causal":
        enable_packing(model)
    return LanguageModel(name=family, model=model, tokenizer=frame, fingerprint="tiny", head=head)


def save_tiny_model(folder: Path, family: str = "llama", *, seed: int = 0) -> None:
    """Write a model and its tokenizer to a folder, as transformers saves them: for `--model FOLDER`."""
    tiny_model(family, seed).save_pretrained(folder)
    tiny_lm(family, packing=False).tokenizer.save_pretrained(folder)


def some_examples(count: int, seed: int = 0, longest: int = 14) -> tuple[Example, ...]:
    """Return examples of two classes whose texts are random `WORDS`, 1 to `longest` - 1 each."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest, count)
    return tuple(Example(texts=(" ".join(rng.choice(WORDS, n)),), label=int(rng.integers(2))) for n in lengths)


def few_shot(count: int = 6) -> FewShot:
    """Return a split of `count` training, dev and test examples each."""
    return FewShot(train=some_examples(count, 1), dev=some_examples(count, 2), test=some_examples(count, 3))


def textbook_logits(lm: LanguageModel, task: Task, prompt: torch.Tensor, texts: tuple[str, ...]) -> torch.Tensor:
    """Compute the label-word logits (C,) of one example under one prompt (P, E) by the model's plain forward pass.

    One row, no cache, no padding, all logits: the reference for faster paths.
    """
    layout = lay_out(lm, task, texts, prompt_tokens=len(prompt))
    embed = lm.model.get_input_embeddings()
    left, right = (embed(torch.tensor(ids, dtype=torch.long)) for ids in (layout.left, layout.right))
    inputs: dict[str, Any] = {"inputs_embeds": torch.cat([left, prompt, right])[None]}
    slot = layout.slot + (0 if layout.decoder else len(left) + len(prompt))
    if layout.decoder:
        inputs["decoder_input_ids"] = torch.tensor([layout.decoder])
    if lm.head != "masked":
        inputs["use_cache"] = False
    logits: torch.Tensor = lm.model(**inputs).logits[0, slot, [ids[0] for ids in encode_words(lm, task)]]
    return logits
