"""The objective "prompt", built from the names of model, task and projection."""

from typing import Any

import numpy as np

from dfo_prompt._util.seeding import Stream, generator
from dfo_prompt.config.endpoint import EndpointConfig
from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.errors import InputError
from dfo_prompt.lm.layout import lay_out
from dfo_prompt.prompt.generation import GenerationObjective
from dfo_prompt.prompt.initial import initial_prompt_of, project_of, shallow_projection
from dfo_prompt.prompt.objective import PromptObjective
from dfo_prompt.prompt.open import open_problem, with_prompt_at
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.projections.affine import Project, Projection
from dfo_prompt.prompt.projections.layerwise import DeepProjection, deep_projection


def prompt_objective(
    *,
    dim: int,
    seed: int,
    problem: ProblemConfig | None = None,
    prompt: PromptConfig | None = None,
    endpoint: EndpointConfig | None = None,
) -> PromptObjective | GenerationObjective:
    """Build the loss of a soft prompt for a language model on a k-shot task, whose answers are labels or texts.

    Args:
        dim: d, the intrinsic dimension, of all layers together if each has a prompt.
        seed: seed of the split, the projection and the initial prompt.
        problem: language model and task.
        prompt: projection, initial prompt, loss and calibration.
        endpoint: endpoint that scores the prompts; None for the model in this process.

    Raises:
        InputError: a name is unknown, a value is invalid, or data or model cannot be loaded.
    """
    prompt = prompt or PromptConfig()
    if endpoint and prompt.layers != "first":
        raise InputError(f"prompt.layers {prompt.layers!r} needs the model here; leave out [endpoint], or set first")
    opened = open_problem(problem or ProblemConfig(), seed=seed, served=endpoint is not None, texts=endpoint is None)
    opened = with_prompt_at(opened, prompt.place)
    project, metadata = project_of(opened, prompt)
    parts: dict[str, Any] = {
        "problem": opened,
        "projection": _projection(opened, dim, seed, prompt, project),
        "prompt_tokens": prompt.tokens,
        "dim": dim,
        "dtype": prompt.dtype,
        "metadata": metadata,
    }
    if opened.task.answer:
        _check_for_texts(opened.task.name, prompt)
        return GenerationObjective(**parts)
    return PromptObjective(**parts, loss=prompt.loss, calibration=prompt.calibration, endpoint=endpoint)


def _check_for_texts(task: str, prompt: PromptConfig) -> None:
    for key, only in (("loss", "cross_entropy"), ("calibration", "none")):
        if (value := getattr(prompt, key)) != only:
            reason = f"prompt.{key} = {value!r} is for label words, and the answers of task {task!r} are texts"
            raise InputError(f"{reason}; leave it out")


def _projection(
    problem: Problem, dim: int, seed: int, prompt: PromptConfig, project: Project
) -> Projection | DeepProjection:
    lm = problem.lm
    start = initial_prompt_of(lm, prompt.start, prompt.tokens, generator(seed, Stream.START, draw=prompt.draw))
    if prompt.layers == "first":
        return shallow_projection(lm, start, dim, project)
    layouts = [lay_out(lm, problem.task, text, prompt_tokens=prompt.tokens) for text in problem.drawn_texts]
    return deep_projection(lm, start, dim, project, [np.array(layout.ids) for layout in layouts])
