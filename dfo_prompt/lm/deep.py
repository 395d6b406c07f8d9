"""A soft prompt for every layer (BBTv2: Sun et al., 2022b)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfo_prompt.errors import InputError, ModelError
from dfo_prompt.lm.layers import Layers, layer_inputs
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.projection import Project, Projection, Space
from dfo_prompt.types import Matrix

Ids = npt.NDArray[np.integer]
CLIPPED_AT, ROUNDS = 3.0, 5
"""Outliers beyond so many deviations are clipped, so many times, before the deviation counts (reference code of BBTv2)."""


class DeepProjection:
    """The map from z (B, H d), block after block from the bottom layer up, to prompts (B, H, P, E)."""

    def __init__(self, projections: Sequence[Projection], dim: int) -> None:
        self._projections, self._dim = projections, dim

    def __call__(self, candidates: Matrix) -> Tensor:
        """Return the prompts of all layers."""
        blocks = [candidates[:, i * self._dim : (i + 1) * self._dim] for i in range(len(self._projections))]
        return torch.stack([project(z) for project, z in zip(self._projections, blocks, strict=True)], dim=1)


def deep_projection(lm: LanguageModel, start: Tensor, dim: int, project: Project, texts: Sequence[Ids]) -> DeepProjection:
    """Build a projection for every layer, scaled by what that layer is given when the model reads `texts`.

    Args:
        lm: whose layers get prompts.
        start: p0 (P, E); what the layers make of it is where their prompts start from.
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
    head = lm.embed(np.array(lm.frame[0], dtype=np.int64))
    natural = layer_inputs(lm, torch.cat([head, start]))[:, len(head) :]  # (H, P, E)
    if natural.shape[2] != lm.width:
        raise ModelError(f"a prompt in every layer needs layers as wide as the embeddings; those of {lm.name!r} are not")
    _check_effect(lm, layers, natural, texts[0])
    states = torch.cat([layer_inputs(lm, lm.embed(ids)) for ids in texts], dim=1)  # (H, L, E)
    parts = []
    for i, (state, begin) in enumerate(zip(states, natural, strict=True)):
        mean, std = clipped_moments(state)
        space = Space(dim=dim // len(layers), tokens=len(start), width=lm.width, mean=mean, std=std)
        parts.append(project(space, begin, i))
    return DeepProjection(parts, dim // len(layers))


def clipped_moments(values: Tensor) -> tuple[float, float]:
    """Return mean and standard deviation, once outliers were clipped."""
    for _ in range(ROUNDS):
        mean, reach = values.mean(), CLIPPED_AT * values.std()
        values = values.clamp(mean - reach, mean + reach)
    return values.mean().item(), values.std().item()


@torch.inference_mode()
def _check_effect(lm: LanguageModel, layers: Layers, natural: Tensor, text: Ids) -> None:
    inputs = torch.cat([natural[0], lm.embed(text)])[None]
    reader: Any = lm.model.get_encoder() if lm.head == "seq2seq" else lm.model.base_model

    def read(prompt: Tensor) -> Tensor:
        with layers.prompts(prompt, 0):
            states: Tensor = reader(inputs_embeds=inputs).last_hidden_state
        return states[0, -1]

    plain = read(natural)
    for i in range(1, len(layers)):
        changed = natural.clone()
        changed[i] = changed[i].flip(-1)  # another prompt of the same scale
        if torch.equal(read(changed), plain):
            raise ModelError(f"a prompt in layer {i} has no effect on {lm.name!r}, so it cannot have one in every layer")
