"""Transfer between tasks: tuned prompts, and projections and starts learned from them, as safetensors files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dfo_prompt._util.tensor_files import write_tensors
from dfo_prompt.errors import InputError
from dfo_prompt.prompt.projections.affine import Space
from dfo_prompt.types import Matrix


@dataclass(frozen=True, kw_only=True)
class TunedPrompt:
    """A prompt tuned on a task.

    Attributes:
        prompt: (P, E), or (H, P, E) with a prompt for each layer.
        task: name of the task.
        model: fingerprint of the model.
    """

    prompt: Matrix
    task: str
    model: str

    def save(self, path: Path) -> None:
        """Write the tensor "prompt", with task and model as metadata.

        Raises:
            StudyError: the file cannot be written.
        """
        write_tensors(path, {"prompt": self.prompt}, {"task": self.task, "model": self.model})

    @classmethod
    def read(cls, path: Path) -> "TunedPrompt":
        """Read a file that `save` wrote.

        Raises:
            InputError: there is no such file, or it holds no tuned prompt.
        """
        entries = metadata(path)
        if not {"task", "model"} <= entries.keys():
            raise InputError(f"{path} does not say which task and model its prompt was tuned for; write it with export")
        return cls(prompt=_tensor(path, "prompt"), task=entries["task"], model=entries["model"])


def from_file(space: Space, rng: np.random.Generator, *, path: Path) -> Matrix:  # noqa: ARG001 - nothing is drawn
    """Read A (P * E, d), the tensor "projection" of a safetensors file.

    Args:
        space, rng: the sizes to check; nothing is drawn.
        path: the file, written by `dfo-prompt pretrain-projection`.

    Raises:
        InputError: there is no such file or tensor, or the tensor has another shape.
    """
    matrix = _tensor(path, "projection")
    if matrix.shape != (space.entries, space.dim):
        wanted = f"({space.entries}, {space.dim}) for {space.tokens} tokens of width {space.width} and dim {space.dim}"
        raise InputError(f"{path} holds a projection of shape {matrix.shape}, not {wanted}")
    return matrix


def read_start(path: Path, tokens: int, width: int) -> Tensor:
    """Read p0 (P, E), the tensor "start" of a safetensors file.

    Raises:
        InputError: there is no such file or tensor, or the tensor has another shape.
    """
    start = _tensor(path, "start")
    if start.shape != (tokens, width):
        raise InputError(f"{path} holds a start of shape {start.shape}, not ({tokens}, {width})")
    return torch.tensor(start, dtype=torch.float32)


def check_sources(task: str, model: str, *paths: Path) -> None:
    """Check that files were learned for a model and not on a task; files that are not safetensors files do not tell.

    Args:
        task: name of the task.
        model: fingerprint of the model.
        paths: files of tuned prompts or learned projections, or others.

    Raises:
        InputError: a file cannot be read, was learned for another model, or on this task, or does not list its tasks as
            `save` does.
    """
    for path in paths:
        try:
            entries = _entries(path)
        except SafetensorError:  # the projection of a plugin may read any file
            continue
        if task in _sources(path, entries):
            raise InputError(f"{path} was learned on task {task!r} too; use a projection learned on other tasks")
        if entries.get("model", model) != model:
            raise InputError(f"{path} was learned from prompts for another model")


@dataclass(frozen=True, kw_only=True)
class LearnedProjection:
    """A search space learned from prompts tuned on several tasks, for other tasks.

    Attributes:
        projection: A (P * E, d).
        start: p0 (P, E).
        sources: names of the tasks that it was learned on.
        model: fingerprint of the model.
    """

    projection: Matrix
    start: Matrix
    sources: tuple[str, ...]
    model: str

    def save(self, path: Path) -> None:
        """Write the tensors "projection" and "start", with tasks and model as metadata.

        Raises:
            StudyError: the file cannot be written.
        """
        entries = {"sources": json.dumps(self.sources), "model": self.model}
        write_tensors(path, {"projection": self.projection, "start": self.start}, entries)


def learn_projection(
    prompts: Sequence[TunedPrompt], *, dim: int, alpha: float = 1.0, seed: int | Sequence[int] = 0
) -> LearnedProjection:
    """Learn A and p0 from prompts tuned on several tasks.

    p0 is the mean over tasks of their mean prompts. The first columns of A are the principal components of the prompts'
    deviations from p0, and the others are random directions orthogonal to them. All columns are scaled so that, for
    z ~ N(0, I), the entries of A z have the standard deviation of the entries of these deviations.

    Args:
        prompts: tuned prompts for one model, of equal shape (P, E).
        dim: d.
        alpha: factor of the scale.
        seed: seed, or entropy (see `dfo_prompt._util.seeding`), of the random directions.

    Raises:
        InputError: there are fewer than two prompts, they are for several models, differ in shape or are all the same, or
            `dim` exceeds the number of entries of a prompt.
    """
    if len(prompts) < 2:  # noqa: PLR2004
        raise InputError("a projection is learned from at least two tuned prompts")
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


def _sources(path: Path, entries: Mapping[str, str]) -> list[str]:
    try:
        sources = json.loads(entries.get("sources", "[]"))
    except json.JSONDecodeError:
        sources = None
    if not isinstance(sources, list):
        raise InputError(f"{path} has metadata of another program: its 'sources' is no JSON list of tasks; save it without")
    return sources


def metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return _entries(path)
    except SafetensorError as error:
        raise InputError(f"cannot read {path}: {error}") from error


def _entries(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file.

    Raises:
        SafetensorError: it is another kind of file, or damaged.
        InputError: the file cannot be opened.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except OSError as error:
        raise InputError(f"cannot read {path}: {error}") from error


def _tensor(path: Path, name: str) -> Matrix:
    try:
        with safe_open(path, framework="numpy") as file:
            if name not in file.keys():  # noqa: SIM118 - not a mapping
                raise InputError(f"{path} holds no tensor named {name!r}, but {', '.join(file.keys()) or 'nothing'}")
            values: Matrix = file.get_tensor(name).astype(np.float64)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read {name} {path}: {error}") from error
    if not np.isfinite(values).all():
        raise InputError(f"{path} holds a {name} with entries that are not finite")
    return values
