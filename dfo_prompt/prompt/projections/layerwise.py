"""A soft prompt for every layer (BBTv2: Sun et al., 2022b)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfo_prompt.errors import InputError, ModelError
from dfo_prompt.lm.layers import Layers, layer_inputs
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.prompt.projections.affine import Project, Projection, Space
from dfo_prompt.types import Matrix

Ids = npt.NDArray[np.integer]
CLIPPED_AT, ROUNDS = 3.0, 5
"""Values beyond 3 deviations are clipped, 5 times over, before mean and deviation are taken (reference code of BBTv2)."""


class DeepProjection:
    """The map from z (B, H d), block after block from the bottom layer up, to prompts (B, H, P, E)."""

    def __init__(self, projections: Sequence[Projection]) -> None:
        self._projections = projections

    def __call__(self, candidates: Matrix) -> Tensor:
        """Return the prompts of all layers."""
        blocks = np.split(candidates, len(self._projections), axis=1)
        return torch.stack([project(z) for project, z in zip(self._projections, blocks, strict=True)], dim=1)


def deep_projection(lm: LanguageModel, start: Tensor, dim: int, project: Project, texts: Sequence[Ids]) -> DeepProjection:
    """Build a projection for every layer, scaled by what that layer is given when the model reads `texts`.

    Args:
        lm: whose layers get prompts.
        start: p0 (P, E), of the first layer; the others add nothing to begin with.
        dim: of all blocks together.
        project: builds the projection of one layer.
        texts: token ids of some texts.

    Raises:
        InputError: `dim` is not a multiple of the number of layers.
        ModelError: the model has no stack of layers, or a prompt in one of them has no effect.
    """
    layers = Layers(lm.model)
    if dim % len(layers):
        raise InputError(f"dim {dim} must be a multiple of {len(layers)}, the layers of {lm.name!r}, which get equal parts")
    embedded = [lm.embed(ids) for ids in texts]
    states = torch.cat([layer_inputs(lm, prompt) for prompt in embedded], dim=1)  # (H, L, E)
    if states.shape[2] != lm.width:
        raise ModelError(f"a prompt in every layer needs layers as wide as the embeddings; those of {lm.name!r} are not")
    _check_effect(lm, layers, start, embedded[0])
    parts = []
    # The first prompt stands among the embeddings, ahead of whatever the model does to them before its first layer.
    for i, state in enumerate([torch.cat(embedded), *states[1:]]):
        mean, std = clipped_moments(state)
        space = Space(dim=dim // len(layers), tokens=len(start), width=lm.width, mean=mean, std=std)
        parts.append(project(space, torch.zeros_like(start) if i else start, i))
    return DeepProjection(parts)


def clipped_moments(values: Tensor) -> tuple[float, float]:
    """Return mean and standard deviation, once outliers were clipped."""
    for _ in range(ROUNDS):
        mean, reach = values.mean(), CLIPPED_AT * values.std()
        values = values.clamp(mean - reach, mean + reach)
    return values.mean().item(), values.std().item()


@torch.inference_mode()
def _check_effect(lm: LanguageModel, layers: Layers, start: Tensor, text: Tensor) -> None:
    inputs = torch.cat([start, text])[None]

    def read(prompt: Tensor) -> Tensor:
        with layers.prompts(prompt, 0):
            states: Tensor = lm.body(inputs_embeds=inputs).last_hidden_state
        return states[0, -1]

    nothing = torch.zeros((len(layers), *start.shape), device=start.device)
    plain = read(nothing)
    for i in range(1, len(layers)):
        added = nothing.clone()
        added[i] = text.std() * torch.linspace(-1, 1, start.shape[1], device=start.device)  # anything of that scale
        if torch.equal(read(added), plain):
            raise ModelError(f"a prompt in layer {i} has no effect on {lm.name!r}, so it cannot have one in every layer")
