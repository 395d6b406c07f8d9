"""Checks the engines against plain forward passes of a model.

An engine is exact if its scores agree with those of each text alone in a row. The check runs a few texts of random tokens,
the longest as long as the longest text to score, rounded up to a power of two, so that windows and chunks of attention that
affect the texts affect the check.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.answers import FirstTokenReader, answer_logits
from dfo_prompt.lm.cached import cached_inputs
from dfo_prompt.lm.checkpoint import first_line
from dfo_prompt.lm.encoding import Encoded, in_buckets
from dfo_prompt.lm.layout import Layout
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.memory import out_of_memory
from dfo_prompt.lm.runs import REFUSALS, Runs, same
from dfo_prompt.lm.strategies import Batcher, Engine, engines_of, strategy_of

SHORTEST = 32
"""The smallest length of the longest checked text, in tokens."""
APPENDED = 3
"""The number of tokens that are appended to a row behind cached keys and values."""
COMPARED_TOKENS = 16
"""The number of tokens whose logits are compared."""
TOLERANCE = 1e-4
"""The tolerance for logits, relative to the largest; rounding in float32 is about a hundredth of it."""
MIN_EFFECT = 1e-6
"""The smallest difference between the logits under two prompts, relative to the largest logit."""


@torch.inference_mode()
def fastest_engine(lm: LanguageModel, texts: Encoded, *, prompt_tokens: int) -> Engine:
    """Return the fastest engine that is exact for texts of this length; a model is checked once per length.

    Raises:
        ModelError: the model does not accept soft prompts, or they have no effect on it.
    """
    key = ("texts first" if texts.texts_first else "prompt first", _checked_length(lm, texts.longest + prompt_tokens))
    if key not in lm.checked:
        lm.checked[key] = _fastest(lm, _trial(lm, key[1], texts_first=texts.texts_first))
    engine: Engine = lm.checked[key]
    return engine


@torch.inference_mode()
def cache_is_exact(lm: LanguageModel, tokens: int) -> bool:
    """Tell whether tokens appended to a row one by one, behind cached keys and values, have the logits of the whole row.

    Args:
        lm: a decoder-only model, which is checked once per length.
        tokens: length of the longest row.
    """
    key = ("cache", _checked_length(lm, tokens))
    if key not in lm.checked:
        lm.checked[key] = _grows(lm, _trial(lm, key[1], texts_first=False))
    return bool(lm.checked[key])


@torch.inference_mode()
def head_is_narrow(lm: LanguageModel) -> bool:
    """Tell whether logits can be computed only at the slots; see `answer_logits`."""
    if "head" not in lm.checked:
        trial = _trial(lm, SHORTEST, texts_first=False)
        row, slot = (torch.tensor([place], device=lm.device) for place in (0, trial.slots[0]))
        inputs = _inputs(lm, trial, trial.prompts[0], 0)
        logits = partial(answer_logits, lm.model, row, slot, inputs)
        lm.checked["head"] = same(partial(logits, narrow=True), logits(narrow=False), tolerance=TOLERANCE)
    return bool(lm.checked["head"])


@dataclass(frozen=True, kw_only=True)
class Trial:
    """N texts of random tokens under two prompts of random tokens.

    Attributes:
        layouts: layouts of the texts.
        texts: the texts, encoded for the engine.
        tokens: (2, P) token ids of the prompts.
        prompts: (2, P, E) embeddings of the prompts.
        words: (K,) token ids whose logits are compared.
    """

    layouts: tuple[Layout, ...]
    texts: Encoded
    tokens: Tensor
    prompts: Tensor
    words: Tensor

    @property
    def slots(self) -> list[int]:
        """Return the position of each answer in the outputs of the model."""
        ahead = self.tokens.shape[1]
        return [layout.slot + (0 if layout.decoder else len(layout.left) + ahead) for layout in self.layouts]


def _trial(lm: LanguageModel, length: int, *, texts_first: bool) -> Trial:
    rng = np.random.default_rng(0)
    plain = np.setdiff1d(np.arange(lm.vocabulary), lm.tokenizer.all_special_ids)

    def draw(count: int) -> list[int]:
        drawn: list[int] = rng.choice(plain, count).tolist()
        return drawn

    prompt = max(1, length // 4)
    rest = max(4, length - prompt)
    # The longest text, and three that run together, two of them without padding.
    sides = [(rest - 3, 3), (1, 3), (1, 2), (1, 2)] if texts_first else [(1, rest - 1), (1, rest // 3), (1, 2), (1, 2)]
    shared, first = draw(1), draw(1)
    layouts = []
    for (before, behind), answer in zip(sides, (0, 2, 1, 1), strict=True):
        left = draw(before) if texts_first else shared
        right = first + draw(behind - 1)
        decoder = [lm.decoder_start, *draw(answer)] if lm.head == "seq2seq" else []
        slot = len(decoder or right) - 1 if lm.head != "masked" else len(right) // 2
        layouts.append(Layout(left=left, right=right, slot=slot, decoder=decoder))
    tokens = torch.tensor([draw(prompt), draw(prompt)], device=lm.device)
    return Trial(
        layouts=tuple(layouts),
        texts=in_buckets(layouts, [[2, 3, 1], [0]], causal=lm.head == "causal", device=lm.device),
        tokens=tokens,
        prompts=lm.model.get_input_embeddings()(tokens),
        words=torch.tensor(draw(COMPARED_TOKENS), device=lm.device),
    )


def _checked_length(lm: LanguageModel, tokens: int) -> int:
    return min(max(SHORTEST, 1 << (tokens - 1).bit_length()), lm.max_tokens)


def _grows(lm: LanguageModel, trial: Trial) -> bool:
    row = _inputs(lm, trial, trial.prompts[0], 0)["inputs_embeds"]  # (1, L, E)
    start, cache = row.shape[1] - APPENDED, DynamicCache(config=lm.model.config)

    def appended() -> Tensor:
        lm.model(**cached_inputs(row[:, :start], cache, 0))
        steps = [lm.model(**cached_inputs(row[:, i : i + 1], cache, i)).logits for i in range(start, row.shape[1])]
        return torch.cat(steps, dim=1)[0]

    whole: Tensor = lm.model(inputs_embeds=row, **Runs(lm.model).uncached).logits[0, start:]
    return same(appended, whole, tolerance=TOLERANCE)


def _fastest(lm: LanguageModel, trial: Trial) -> Engine:
    expected = _plain(lm, trial)
    reader = FirstTokenReader(lm.model, trial.words, plain_head=False, narrow=head_is_narrow(lm))
    runs = Runs(lm.model)
    *faster, last = engines_of(lm)

    def is_exact(engine: Engine) -> bool:
        strategy = strategy_of(lm, engine, runs)
        return same(
            lambda: Batcher().scores(strategy, trial.prompts[:, None], trial.texts, reader), expected, tolerance=TOLERANCE
        )

    return next((engine for engine in faster if is_exact(engine)), last)


def _plain(lm: LanguageModel, trial: Trial) -> Tensor:
    """Return the logits (2, N, K) of each text alone in a row, without cache, padding or mask.

    Raises:
        ModelError: the model does not accept soft prompts, or they have no effect, or logits are not finite.
    """
    indices = range(len(trial.layouts))
    try:
        logits = [[_run(lm, trial, _inputs(lm, trial, prompt, i), i) for i in indices] for prompt in trial.prompts]
        by_tokens = _run(lm, trial, _token_inputs(lm, trial, 1), 1)
    except REFUSALS as error:
        if out_of_memory(error):
            raise
        raise ModelError(f"{lm.name!r} takes no soft prompt: {first_line(error)}") from error
    expected = torch.stack([torch.stack(row) for row in logits])
    largest = expected.abs().max().item()
    if not np.isfinite(largest):
        raise ModelError(f"{lm.name!r} gives scores that are not finite")
    if (expected[0] - expected[1]).abs().max().item() <= MIN_EFFECT * largest:
        raise ModelError(f"a soft prompt has no effect on {lm.name!r}, a {lm.model.config.model_type} model")
    if not same(lambda: by_tokens, expected[0, 1], tolerance=TOLERANCE):
        model = f"{lm.name!r}, a {lm.model.config.model_type} model, takes no soft prompt"
        raise ModelError(f"{model}: it gives other scores for embeddings of tokens than for the tokens")
    return expected


def _run(lm: LanguageModel, trial: Trial, inputs: dict[str, Any], index: int) -> Tensor:
    logits: Tensor = lm.model(**inputs).logits[0, trial.slots[index], trial.words].float()
    return logits


def _inputs(lm: LanguageModel, trial: Trial, prompt: Tensor, index: int) -> dict[str, Any]:
    layout, embed = trial.layouts[index], lm.model.get_input_embeddings()
    left, right = (embed(torch.tensor(ids, device=lm.device)) for ids in (layout.left, layout.right))
    return {"inputs_embeds": torch.cat([left, prompt, right])[None], **_decoder(lm, layout)}


def _token_inputs(lm: LanguageModel, trial: Trial, index: int) -> dict[str, Any]:
    layout = trial.layouts[index]
    row = layout.left + trial.tokens[0].tolist() + layout.right
    return {"input_ids": torch.tensor([row], device=lm.device), **_decoder(lm, layout)}


def _decoder(lm: LanguageModel, layout: Layout) -> dict[str, Any]:
    decoder = {"decoder_input_ids": torch.tensor([layout.decoder], device=lm.device)} if layout.decoder else {}
    return {**Runs(lm.model).uncached, **decoder}
