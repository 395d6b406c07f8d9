"""Prompts, projections and starts as safetensors files: what studies on some tasks leave to studies on others."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from dfo_prompt.errors import InputError
from dfo_prompt.prompt.projections.affine import Space
from dfo_prompt.types import Matrix


@dataclass(frozen=True, kw_only=True)
class TunedPrompt:
    """A prompt (P, E) that was tuned on a task, or (H, P, E) with one for each layer.

    Attributes:
        model: fingerprint of the model that it was tuned for.
    """

    prompt: Matrix
    task: str
    model: str

    def save(self, path: Path) -> None:
        """Write the tensor "prompt", and what it was tuned for as metadata.

        Raises:
            InputError: it cannot be written.
        """
        _save(path, {"prompt": self.prompt}, {"task": self.task, "model": self.model})

    @classmethod
    def read(cls, path: Path) -> "TunedPrompt":
        """Read what `save` wrote.

        Raises:
            InputError: there is no such file, or it holds something else.
        """
        about = metadata(path)
        if not {"task", "model"} <= about.keys():
            raise InputError(f"{path} does not say which task and model its prompt was tuned for; write it with export")
        return cls(prompt=_tensor(path, "prompt"), task=about["task"], model=about["model"])


def from_file(space: Space, rng: np.random.Generator, *, path: Path) -> Matrix:  # noqa: ARG001 - nothing is drawn
    """Read A (P * E, d), the tensor "projection" of a safetensors file.

    Raises:
        InputError: there is no such file or tensor, or it does not fit.
    """
    matrix = _tensor(path, "projection")
    if matrix.shape != (space.entries, space.dim):
        wanted = f"({space.entries}, {space.dim}) for {space.tokens} tokens of width {space.width} and dim {space.dim}"
        raise InputError(f"{path} holds a projection of shape {matrix.shape}, not {wanted}")
    return matrix


def read_start(path: Path, tokens: int, width: int) -> Tensor:
    """Read p0 (P, E), the tensor "start" of a safetensors file.

    Raises:
        InputError: there is no such file or tensor, or it does not fit.
    """
    start = _tensor(path, "start")
    if start.shape != (tokens, width):
        raise InputError(f"{path} holds a start of shape {start.shape}, not ({tokens}, {width})")
    return torch.tensor(start, dtype=torch.float32)


def check_sources(task: str, model: str, *paths: Path) -> None:
    """Check that what is in these files was learned for this model (its fingerprint), and not on this task (by its name).

    Raises:
        InputError: one was not.
    """
    for path in paths:
        about = metadata(path)
        if task in json.loads(about.get("sources", "[]")):
            raise InputError(f"{path} was learned on task {task!r} too, which cannot show what it brings to another")
        if about.get("model", model) != model:
            raise InputError(f"{path} was learned from prompts for another model")


@dataclass(frozen=True, kw_only=True)
class LearnedProjection:
    """A search space for other tasks.

    Attributes:
        projection: A, (P * E, d).
        start: p0, (P, E).
        sources: the tasks that it was learned on.
        model: fingerprint of the model that it is for.
    """

    projection: Matrix
    start: Matrix
    sources: tuple[str, ...]
    model: str

    def save(self, path: Path) -> None:
        """Write the tensors "projection" and "start", and where they come from as metadata.

        Raises:
            InputError: it cannot be written.
        """
        about = {"sources": json.dumps(self.sources), "model": self.model}
        _save(path, {"projection": self.projection, "start": self.start}, about)


def learn_projection(prompts: Sequence[TunedPrompt], *, dim: int, alpha: float = 1.0, seed: int = 0) -> LearnedProjection:
    """Learn A and p0 from prompts tuned on several tasks.

    p0 is the mean over tasks of their mean prompts. The first columns of A are the directions in which the prompts differ
    most from it (principal components); the rest, random ones orthogonal to them. All have the length that makes entries of
    A z as large as those of the prompts' own deviation from their mean, for z ~ N(0, I).

    Args:
        prompts: for one model, of one shape (P, E).
        dim: d.
        alpha: factor of the scale.
        seed: of the random directions.

    Raises:
        InputError: there are fewer than two, they do not fit each other or are the same, or `dim` is larger than a prompt.
    """
    if len(prompts) < 2:  # noqa: PLR2004
        raise InputError("a projection is learned from two tuned prompts at least")
    first = prompts[0]
    if other := next(
        (source for source in prompts if (source.model, source.prompt.shape) != (first.model, first.prompt.shape)), None
    ):
        shapes = f"shapes {first.prompt.shape} and {other.prompt.shape}"
        raise InputError(f"the prompts of {first.task!r} and {other.task!r} are for two models, or of two {shapes}")
    if first.prompt.ndim != 2 or not 1 <= dim <= first.prompt.size:  # noqa: PLR2004
        raise InputError(f"dim must lie between 1 and {first.prompt.size}, the entries of a prompt of one layer")
    flat = np.stack([source.prompt.ravel() for source in prompts])  # (n, D)
    if np.ptp(flat, axis=0).max() == 0:
        raise InputError("the tuned prompts are all the same: there is no direction to learn from them")
    tasks = np.array([source.task for source in prompts])
    start = np.mean([flat[tasks == task].mean(axis=0) for task in dict.fromkeys(tasks)], axis=0)
    rest = np.random.default_rng(seed).standard_normal((flat.shape[1], dim))
    _, sizes, components = np.linalg.svd(flat - start, full_matrices=False)
    learned = components[sizes > 1e-9 * sizes.max(initial=1e-300)][:dim].T  # (D, k)
    directions, _ = np.linalg.qr(np.hstack([learned, rest])[:, :dim])
    scale = alpha * (flat - start).std() * sqrt(flat.shape[1] / dim)
    return LearnedProjection(
        projection=scale * directions,
        start=start.reshape(first.prompt.shape),
        sources=tuple(sorted({source.task for source in prompts})),
        model=first.model,
    )


def metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read {path}: {error}") from error


def _save(path: Path, tensors: Mapping[str, Matrix], about: dict[str, str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: value.astype(np.float32) for name, value in tensors.items()}, path, about)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot write {path}: {error}") from error


def _tensor(path: Path, name: str) -> Matrix:
    try:
        with safe_open(path, framework="numpy") as file:
            if name not in file.keys():  # noqa: SIM118 - it is no mapping
                raise InputError(f"{path} holds no tensor named {name!r}, but {', '.join(file.keys()) or 'nothing'}")
            values: Matrix = file.get_tensor(name).astype(np.float64)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read {name} {path}: {error}") from error
    if not np.isfinite(values).all():
        raise InputError(f"{path} holds a {name} with entries that are not finite")
    return values
