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
    """The single stack of layers that processes texts.

    Args:
        model: a model of transformers; of an encoder-decoder the encoder is meant.

    Raises:
        ModelError: it has no such stack, or several.
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
            reason = "no stack of layers of its own weights" if not stacks else "several stacks of layers"
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

        Where a row has several copies of the prompt, `at` holds the places of all, (N, P).

        So does the reference code of Sun et al. (2022b): each layer changes what the one below made of its own prompt.
        """
        with ExitStack() as stack:
            for layer, own in zip(list(self._all)[1:], prompt[1:], strict=True):
                stack.enter_context(_changed(layer, partial(_added, own, at)))
            yield

    @contextmanager
    def watched(self, index: int, states: list[Tensor]) -> Iterator[None]:
        """Append the input of layer `index` to `states`."""

        def keep(x: Tensor) -> Tensor:
            states.append(x.clone())
            return x

        with _changed(self._all[index], keep):
            yield

    @contextmanager
    def from_layer(self, index: int, state: Tensor) -> Iterator[None]:
        """Start at layer `index` with `state` as its input, ignoring the model's input."""
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
    return torch.cat(states)


@contextmanager
def _changed(layer: nn.Module, change: Change) -> Iterator[None]:
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
    places = at if isinstance(at, Tensor) else slice(at, at + len(prompt))
    x[:, places] += prompt  # in place: it is what the layer below has just made, for us alone
    return x
