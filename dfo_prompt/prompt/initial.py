"""Builds the initial prompt p0 and the projection around it."""

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dfo_prompt._util.seeding import Stream, entropy
from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.errors import InputError
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.plugin.entries import arguments_of, target_of
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.projections.affine import Project, Projection, Space, projector
from dfo_prompt.prompt.projections.learned import check_sources, read_start
from dfo_prompt.types import Json


def initial_prompt_of(lm: LanguageModel, start: str | Path, tokens: int, rng: np.random.Generator) -> Tensor:
    """Return p0, (P, E).

    Args:
        lm: the model, which has the embeddings.
        start: "zero"; "vocabulary" for random tokens; "text:WORDS" for the tokens of a text, repeated or cut to P tokens; or
            the path of a safetensors file with the tensor "start".
        tokens: P.
        rng: generator that draws random tokens.

    Raises:
        InputError: the model does not take P tokens, there is no such start, the text has no tokens, or the tensor has
            another shape.
    """
    if tokens > lm.max_tokens:
        raise InputError(f"a prompt of {tokens:,} tokens is longer than the {lm.max_tokens:,} tokens that {lm.name!r} takes")
    if isinstance(start, Path):
        return read_start(start, tokens, lm.width).to(lm.device)
    if start == "zero":
        return torch.zeros((tokens, lm.width), device=lm.device)
    if start == "vocabulary":
        return lm.embed(rng.integers(lm.vocabulary, size=tokens))
    _, _, text = start.partition("text:")
    if not start.startswith("text:") or not text.strip():
        raise InputError(f"unknown start of a prompt, {start!r}; known: zero, vocabulary, text:WORDS, file:PATH")
    if not (ids := lm.tokens(text)):
        raise InputError(f"prompt.start: {text!r} has no tokens for {lm.name!r}; write another text")
    return lm.embed(np.resize(ids, tokens))


def project_of(problem: Problem, prompt: PromptConfig) -> tuple[Project, dict[str, Json]]:
    """Return the function that draws each layer's projection, and the SHA-256 of the files of projection and p0.

    Raises:
        InputError: there is no such projection, an option is bad, or a file does not suit task or model.
    """
    options = arguments_of("projection", prompt.projection, prompt.projection_options)
    files = {role: path for role, path in {**options, "start": prompt.start}.items() if isinstance(path, Path)}
    check_sources(problem.task.name, problem.lm.fingerprint, *files.values())
    draw = partial(target_of("projection", prompt.projection), **options)
    about: dict[str, Json] = {"files": _hashes(files)} if files else {}
    return projector(draw, entropy(problem.seed, Stream.PROJECTION, draw=prompt.draw), prompt.projection), about


def _hashes(files: Mapping[str, Path]) -> dict[str, Json]:
    """Return the SHA-256 of files by their names, with their roles ahead if several have the same name."""
    places: defaultdict[str, set[Path]] = defaultdict(set)
    for file in files.values():
        places[file.name].add(file.resolve())
    return {
        (file.name if len(places[file.name]) == 1 else f"{role}: {file.name}"): sha256(file.read_bytes()).hexdigest()
        for role, file in files.items()
    }


def shallow_projection(lm: LanguageModel, start: Tensor, dim: int, project: Project) -> Projection:
    """Build the projection to a prompt at the first layer, scaled by the embeddings of the whole vocabulary.

    Raises:
        InputError: `dim` exceeds the number of entries of the prompt.
    """
    vocabulary = lm.embed(np.arange(lm.vocabulary))  # (V, E)
    mean, std = vocabulary.mean().item(), vocabulary.std().item()
    return project(Space(dim=dim, tokens=len(start), width=lm.width, mean=mean, std=std), start, 0)
