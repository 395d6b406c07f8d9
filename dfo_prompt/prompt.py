"""The objective named "prompt", from names: model, task, projection."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dfo_prompt.errors import InputError, ModelError
from dfo_prompt.lm.load import LanguageModel, load_model
from dfo_prompt.lm.losses import LOSSES
from dfo_prompt.lm.objective import PromptObjective
from dfo_prompt.lm.projection import Projection, Space
from dfo_prompt.lm.start import initial_prompt
from dfo_prompt.options import check_options
from dfo_prompt.plugins import catalogue
from dfo_prompt.tasks.examples import read_examples
from dfo_prompt.tasks.sampling import sample
from dfo_prompt.tasks.task import Task, load_task

# Each draw has its own stream, so that changing one setting redraws nothing else.
PROJECTION_STREAM, START_STREAM = 1, 2


def prompt_objective(
    *,
    dim: int,
    seed: int,
    model: str = "smollm2-135m",
    task: str = "bbc-headlines",
    data: str | None = None,
    shots: int = 16,
    test_examples: int | None = None,
    prompt_tokens: int = 50,
    initial_prompt: str = "vocabulary",
    projection: str = "normal",
    projection_options: Mapping[str, Any] | None = None,
    loss: Literal["cross_entropy", "hinge", "accuracy"] = "cross_entropy",
    dtype: str = "auto",
    device: str = "auto",
) -> PromptObjective:
    """Build the loss of a soft prompt for a language model on a k-shot task.

    Args:
        dim: d, the intrinsic dimension.
        seed: of the split, the projection and the initial prompt.
        model: a name that `dfo-prompt list models` shows, a local folder, a GGUF file, or a hub id.
        task: a name that `dfo-prompt list tasks` shows, or a TOML file.
        data: local file or folder with the task's examples.
        shots: k, training examples a class.
        test_examples: test on at most this many; on all by default.
        prompt_tokens: P, the length of the soft prompt.
        initial_prompt: p0: "zero", "vocabulary" (embeddings of tokens drawn from the vocabulary), or "text:..." (those of a
            text, repeated or cut to P tokens).
        projection: a name that `dfo-prompt list projections` shows, with its `projection_options`.
        loss: what is minimized.
        dtype: "auto", "float32", "bfloat16" or "float16"; see `dfo_prompt.lm.precision`.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        InputError: a name is unknown, a value is bad, or data or model cannot be had.
    """
    if loss not in LOSSES:
        raise InputError(f"unknown loss {loss!r}; known: {', '.join(LOSSES)}")
    asked = _find_task(task)
    examples = sample(asked, read_examples(asked, _path(data)), shots=shots, seed=seed, test_examples=test_examples)
    lm = _load(model, device)
    return PromptObjective(
        lm=lm,
        task=asked,
        data=examples,
        projection=_project(lm, dim, seed, prompt_tokens, initial_prompt, projection, projection_options or {}),
        prompt_tokens=prompt_tokens,
        dim=dim,
        loss=loss,
        dtype=dtype,
    )


def _path(data: str | None) -> Path | None:
    return Path(data) if data else None


def _find_task(name: str) -> Task:
    if name.endswith(".toml"):
        return load_task(Path(name))
    return load_task(catalogue().tasks.find(name).target)


@lru_cache(maxsize=1)
def _load(name: str, device: str) -> LanguageModel:
    models = catalogue().models
    if name in models.specs:
        return load_model(name, models.find(name).load()(), device=device)
    try:
        return load_model(name, name, device=device)
    except ModelError as error:
        if Path(name).exists():
            raise
        raise ModelError(f"{error}; named models: {', '.join(models.specs)}") from error


def _project(
    lm: LanguageModel, dim: int, seed: int, tokens: int, initial: str, name: str, options: Mapping[str, Any]
) -> Projection:
    spec = catalogue().projections.find(name)
    draw, settings = spec.load(), {**spec.options, **options}
    check_options(f"projection {name!r}", draw, settings, {"space", "rng"})
    vocabulary = lm.embed(np.arange(len(lm.tokenizer)))  # (V, E)
    space = Space(dim=dim, tokens=tokens, width=lm.width, mean=vocabulary.mean().item(), std=vocabulary.std().item())
    matrix = draw(space, np.random.default_rng([seed, PROJECTION_STREAM]), **settings)
    return Projection(matrix, initial_prompt(lm, initial, tokens, np.random.default_rng([seed, START_STREAM])))
