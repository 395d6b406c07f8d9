"""The objective named "prompt", from names: model, task, projection."""

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.deep import DeepProjection, deep_projection
from dfo_prompt.lm.layout import lay_out
from dfo_prompt.lm.load import LanguageModel, load_model
from dfo_prompt.lm.objective import PromptObjective
from dfo_prompt.lm.projection import Project, Projection, projector
from dfo_prompt.lm.start import initial_prompt_of, shallow_projection
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
    prompt_layers: Literal["first", "all"] = "first",
    loss: Literal["cross_entropy", "hinge", "accuracy"] = "cross_entropy",
    calibration: Literal["none", "contextual", "domain", "median"] = "none",
    dtype: str = "auto",
    device: str = "auto",
) -> PromptObjective:
    """Build the loss of a soft prompt for a language model on a k-shot task.

    Args:
        dim: d, the intrinsic dimension; of all layers together, where each has a prompt.
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
        prompt_layers: "first", a prompt among the embeddings (Sun et al., 2022); or "all", one in every layer, each with an
            equal part of z, bottom layer first (BBTv2, Sun et al., 2022b); see the optimizers "blockwise:...".
        loss: what is minimized.
        calibration: of the label words' scores; see `dfo_prompt.lm.verbalizer`.
        dtype: "auto", "float32", "bfloat16" or "float16"; see `dfo_prompt.lm.precision`.
        device: "auto", "cpu", "cuda", "mps" or "sharded"; see `dfo_prompt.lm.load`.

    Raises:
        InputError: a name is unknown, a value is bad, or data or model cannot be had.
    """
    asked = _find_task(task)
    examples = sample(asked, read_examples(asked, _path(data)), shots=shots, seed=seed, test_examples=test_examples)
    lm = _load(model, device)
    project = _projector(projection, projection_options or {}, seed)
    start = initial_prompt_of(lm, initial_prompt, prompt_tokens, np.random.default_rng([seed, START_STREAM]))
    if prompt_layers == "all":
        layouts = [lay_out(lm, asked, example.texts, prompt_tokens=prompt_tokens) for example in examples.train]
        projected: Projection | DeepProjection = deep_projection(
            lm, start, dim, project, [np.array(layout.ids) for layout in layouts]
        )
    else:
        projected = shallow_projection(lm, start, dim, project)
    return PromptObjective(
        lm=lm,
        task=asked,
        data=examples,
        projection=projected,
        prompt_tokens=prompt_tokens,
        dim=dim,
        loss=loss,
        calibration=calibration,
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


def _projector(name: str, options: Mapping[str, Any], seed: int) -> Project:
    spec = catalogue().projections.find(name)
    draw, settings = spec.load(), {**spec.options, **options}
    check_options(f"projection {name!r}", draw, settings, {"space", "rng"})
    return projector(partial(draw, **settings), [seed, PROJECTION_STREAM])
