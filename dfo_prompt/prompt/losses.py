"""Losses over label-word logits: (B, N, C) and labels (N,) -> (B,)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from dfo_prompt.errors import PluginError
from dfo_prompt.plugin.catalogue import catalogue

Loss = Callable[[Tensor, Tensor], Tensor]

MARGIN = 2.0
"""Of the hinge loss, as in the reference code of Black-Box Tuning."""


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of the right label word among the label words."""
    return functional.cross_entropy(logits.movedim(-1, 1), labels.expand(len(logits), -1), reduction="none").mean(dim=1)


def hinge(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean multi-class hinge loss, summed over the wrong words: max(0, margin + wrong - right)."""
    right = logits.gather(-1, labels.expand(len(logits), -1)[..., None])  # (B, N, 1)
    # The right word itself contributes exactly the margin.
    return ((logits - right + MARGIN).clamp(min=0).sum(dim=-1) - MARGIN).mean(dim=1)


def error_rate(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the share of examples whose largest logit is not the right word's: 1 - accuracy."""
    return (logits.argmax(dim=-1) != labels).to(torch.float32).mean(dim=1)


def loss_called(name: str) -> Loss:
    """Return the loss of this name.

    Raises:
        UnknownNameError: there is no such loss.
        PluginError: it cannot be imported; or, when it is called, gives anything but a number for each candidate.
    """
    loss: Loss = catalogue().losses.bound(name)

    def checked(logits: Tensor, labels: Tensor) -> Tensor:
        losses = loss(logits, labels)
        if losses.shape != (len(logits),):
            raise PluginError(f"loss {name!r} gives the shape {tuple(losses.shape)} for {len(logits)} candidates")
        return losses

    return checked
