"""Adds prompts to every layer of a model, and runs a model from a middle layer."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.load import LanguageModel

Change = Callable[[Tensor], Tensor]


class Layers:
    """The stack of layers that processes texts.

    Args:
        model: a model of transformers; the layers of an encoder-decoder are those of its encoder.

    Raises:
        ModelError: the model has no such stack, or several.
    """

    def __init__(self, model: Any) -> None:
        whole = model.get_encoder() if model.config.is_encoder_decoder else model.base_model
        stacks = [
            (parent, name)
            for parent in whole.modules()
            for name, child in parent.named_children()
            if isinstance(child, nn.ModuleList) and len(child) == model.config.num_hidden_layers
        ]
        if len(stacks) != 1:
            reason = "no stack of layers with separate weights" if not stacks else "several stacks of layers"
            raise ModelError(f"a prompt in every layer needs one stack of layers; {model.config.model_type} has {reason}")
        self._parent, self._name = stacks[0]
        self._all: nn.ModuleList = getattr(self._parent, self._name)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._all)

    @contextmanager
    def prompts(self, prompt: Tensor, at: int | Tensor) -> Iterator[None]:
        """Add the prompts of layers 1, 2, ... of (H, P, E) to positions at:at+P of each layer's input.

        As in the reference code of Sun et al. (2022b), a layer's prompt is added to the output of the layer below.

        Args:
            prompt: (H, P, E) prompts of all layers; that of the first is an input of the model, and is ignored here.
            at: first position of the prompt, or the positions (N, P) of its N copies in a row.
        """
        with ExitStack() as stack:
            for layer, own in zip(list(self._all)[1:], prompt[1:], strict=True):
                stack.enter_context(_changed(layer, partial(_added, own, at)))
            yield

    @contextmanager
    def watched(self, index: int, states: list[Tensor]) -> Iterator[None]:
        """Append the input of layer `index` to `states`."""

        def record(x: Tensor) -> Tensor:
            states.append(x.clone())
            return x

        with _changed(self._all[index], record):
            yield

    @contextmanager
    def from_layer(self, index: int, state: Tensor) -> Iterator[None]:
        """Run the model from layer `index` on, with `state` as its input; the model's own input is ignored."""
        setattr(self._parent, self._name, nn.ModuleList(list(self._all)[index:]))
        try:
            with _changed(self._all[index], lambda _: state.clone()):
                yield
        finally:
            setattr(self._parent, self._name, self._all)


@torch.inference_mode()
def layer_inputs(lm: LanguageModel, embeds: Tensor) -> Tensor:
    """Return the input of each layer, (H, L, E), for a text with embeddings (L, E)."""
    layers = Layers(lm.model)
    states: list[Tensor] = []
    with ExitStack() as stack:
        for index in range(len(layers)):
            stack.enter_context(layers.watched(index, states))
        lm.body(inputs_embeds=embeds[None])
    return torch.cat([state.to(embeds.device) for state in states])  # the layers of a sharded model are on several devices


@contextmanager
def _changed(layer: nn.Module, change: Change) -> Iterator[None]:
    """Apply `change` to the hidden states that enter a layer."""

    def hook(_: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if inputs:
            return (change(inputs[0]), *inputs[1:]), named
        return inputs, {**named, "hidden_states": change(named["hidden_states"])}

    handle = layer.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _added(prompt: Tensor, at: int | Tensor, x: Tensor) -> Tensor:
    positions = at.to(x.device) if isinstance(at, Tensor) else slice(at, at + len(prompt))
    x[:, positions] += prompt.to(x.device)  # in place: nothing else reads the output of the layer below
    return x
