"""The objective named "prompt", from names: model, task, projection."""

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dfo_prompt._util.paths import FILE
from dfo_prompt._util.seeding import Stream, entropy, generator
from dfo_prompt.config.study import DEFAULT_MODEL, DEFAULT_SHOTS, DEFAULT_TASK
from dfo_prompt.lm.layout import lay_out
from dfo_prompt.lm.verbalizer import Calibration
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.plugin.options import check_options, settle
from dfo_prompt.prompt.initial import initial_prompt_of, shallow_projection
from dfo_prompt.prompt.losses import Loss
from dfo_prompt.prompt.objective import PromptObjective
from dfo_prompt.prompt.open import open_problem
from dfo_prompt.prompt.projections.affine import Project, Projection, projector
from dfo_prompt.prompt.projections.layerwise import DeepProjection, deep_projection
from dfo_prompt.prompt.projections.learned import check_sources


def prompt_objective(
    *,
    dim: int,
    seed: int,
    model: str = DEFAULT_MODEL,
    task: str = DEFAULT_TASK,
    data: str | None = None,
    shots: int = DEFAULT_SHOTS,
    test_examples: int | None = None,
    prompt_tokens: int = 50,
    initial_prompt: str = "vocabulary",
    projection: str = "normal",
    projection_options: Mapping[str, Any] | None = None,
    prompt_layers: Literal["first", "all"] = "first",
    loss: Loss = "cross_entropy",
    calibration: Calibration = "none",
    dtype: str = "auto",
    device: str = "auto",
    draw: int = 0,
) -> PromptObjective:
    """Build the loss of a soft prompt for a language model on a k-shot task.

    Args:
        dim: d, the intrinsic dimension; of all layers together, where each has a prompt.
        seed: of the split, the projection and the initial prompt.
        model, task, data, shots, test_examples, device: see `open_problem`.
        prompt_tokens: P, the length of the soft prompt.
        initial_prompt: p0: "zero", "vocabulary" (embeddings of tokens drawn from the vocabulary), or "text:..." (those of a
            text, repeated or cut to P tokens), or "file:..." (as `dfo-prompt pretrain-projection` leaves one).
        projection: a name that `dfo-prompt list projections` shows, with its `projection_options`.
        prompt_layers: "first", a prompt among the embeddings (Sun et al., 2022); or "all", one in every layer, each with an
            equal part of z, bottom layer first (BBTv2, Sun et al., 2022b); see the optimizers "blockwise:...".
        loss: what is minimized.
        calibration: of the label words' scores; see `dfo_prompt.lm.verbalizer`.
        dtype: "auto", "float32", "bfloat16" or "float16"; see `dfo_prompt.lm.precision`.
        draw: which draw of projection and initial prompt; another one leaves the split as it is.

    Raises:
        InputError: a name is unknown, a value is bad, or data or model cannot be had.
    """
    problem = open_problem(
        seed=seed, model=model, task=task, data=data, shots=shots, test_examples=test_examples, device=device
    )
    lm = problem.lm
    learned = str((projection_options or {}).get("path", "")) if projection == "file" else ""
    start_file = initial_prompt.removeprefix(FILE) if initial_prompt.startswith(FILE) else ""
    files = [path for path in (learned, start_file) if path]
    check_sources(problem.task.name, lm.fingerprint, *files)
    project = _projector(projection, projection_options or {}, entropy(seed, Stream.PROJECTION, draw=draw))
    start = initial_prompt_of(lm, initial_prompt, prompt_tokens, generator(seed, Stream.START, draw=draw))
    if prompt_layers == "all":
        layouts = [lay_out(lm, problem.task, texts, prompt_tokens=prompt_tokens) for texts in problem.texts("train")]
        projected: Projection | DeepProjection = deep_projection(
            lm, start, dim, project, [np.array(layout.ids) for layout in layouts]
        )
    else:
        projected = shallow_projection(lm, start, dim, project)
    return PromptObjective(
        problem=problem,
        projection=projected,
        prompt_tokens=prompt_tokens,
        dim=dim,
        loss=loss,
        calibration=calibration,
        dtype=dtype,
        about={"files": {Path(file).name: sha256(Path(file).read_bytes()).hexdigest() for file in files}} if files else {},
    )


def _projector(name: str, options: Mapping[str, Any], stream: list[int]) -> Project:
    spec = catalogue().projections.find(name)
    draw, settings = spec.load(), settle(catalogue().projections, name, options)
    check_options(f"projection {name!r}", draw, settings, {"space", "rng"})
    return projector(partial(draw, **settings), stream)
