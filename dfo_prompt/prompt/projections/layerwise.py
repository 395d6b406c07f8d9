"""Soft prompts for every layer (BBTv2: Sun et al., 2022b)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dfo_prompt.errors import InputError, ModelError
from dfo_prompt.lm.layers import Layers, layer_inputs
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.prompt.projections.affine import Project, Projection, Space
from dfo_prompt.prompt.tokens import Ids
from dfo_prompt.types import Matrix

CLIP_DEVIATIONS, CLIP_ROUNDS = 3.0, 5
"""Values are clipped to 3 standard deviations, 5 times, before their moments are computed (reference code of BBTv2)."""


class DeepProjection:
    """The map from z (B, H d), a block of d coordinates per layer from the bottom up, to prompts (B, H, P, E)."""

    def __init__(self, projections: Sequence[Projection]) -> None:
        self._projections = projections

    def __call__(self, candidates: Matrix) -> Tensor:
        """Return the prompts (B, H, P, E) of candidates (B, H d)."""
        blocks = np.split(candidates, len(self._projections), axis=1)
        return torch.stack([project(z) for project, z in zip(self._projections, blocks, strict=True)], dim=1)


def deep_projection(lm: LanguageModel, start: Tensor, dim: int, project: Project, texts: Sequence[Ids]) -> DeepProjection:
    """Build a projection for every layer, scaled by the moments of the layer's input when the model reads `texts`.

    Args:
        lm: the model.
        start: p0 (P, E) of the first layer; that of the others is zero.
        dim: number of coordinates of all layers together.
        project: function that builds the projection of a layer.
        texts: token ids of some texts.

    Raises:
        InputError: `dim` is not a multiple of the number of layers.
        ModelError: the model has no single stack of layers, or a prompt in one of them has no effect.
    """
    layers = Layers(lm.model)
    if dim % len(layers):
        raise InputError(f"dim {dim} must be a multiple of {len(layers)}, the layers of {lm.name!r}, which get equal parts")
    embedded = [lm.embed(ids) for ids in texts]
    states = torch.cat([layer_inputs(lm, text) for text in embedded], dim=1)  # (H, L, E)
    if states.shape[2] != lm.width:
        raise ModelError(f"a prompt in every layer needs layers as wide as the embeddings; those of {lm.name!r} are not")
    _check_effect(lm, layers, start, embedded[0])
    parts = []
    # The first prompt stands among the embeddings, before the model adds positions or norms them for its first layer.
    for i, state in enumerate([torch.cat(embedded), *states[1:]]):
        mean, std = clipped_moments(state)
        space = Space(dim=dim // len(layers), tokens=len(start), width=lm.width, mean=mean, std=std)
        parts.append(project(space, torch.zeros_like(start) if i else start, i))
    return DeepProjection(parts)


def clipped_moments(values: Tensor) -> tuple[float, float]:
    """Return mean and standard deviation after outliers are clipped."""
    for _ in range(CLIP_ROUNDS):
        mean, distance = values.mean(), CLIP_DEVIATIONS * values.std()
        values = values.clamp(mean - distance, mean + distance)
    return values.mean().item(), values.std().item()


@torch.inference_mode()
def _check_effect(lm: LanguageModel, layers: Layers, start: Tensor, text: Tensor) -> None:
    inputs = torch.cat([start, text])[None]

    def last_state(prompt: Tensor) -> Tensor:
        with layers.prompts(prompt, 0):
            states: Tensor = lm.body(inputs_embeds=inputs).last_hidden_state
        return states[0, -1]

    zeros = torch.zeros((len(layers), *start.shape), device=start.device)
    expected = last_state(zeros)
    for i in range(1, len(layers)):
        prompt = zeros.clone()
        prompt[i] = text.std() * torch.linspace(-1, 1, start.shape[1], device=start.device)  # any values of this scale
        if torch.equal(last_state(prompt), expected):
            raise ModelError(f"a prompt in layer {i} has no effect on {lm.name!r}, so it cannot have one in every layer")
