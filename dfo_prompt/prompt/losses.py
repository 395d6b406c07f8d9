"""Losses of label-word logits (B, N, C) and labels (N,) -> (B,)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from dfo_prompt.errors import PluginError
from dfo_prompt.plugin.catalogue import catalogue

Loss = Callable[[Tensor, Tensor], Tensor]
"""Maps label-word logits (B, N, C) and labels (N,) to losses (B,)."""

MARGIN = 2.0
"""The margin of the hinge loss in the reference code of Black-Box Tuning."""

SMOOTHING = 0.1
"""The share of the smoothed labels' weight, as in Szegedy et al. (2016)."""


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of the correct label word among the label words."""
    return functional.cross_entropy(logits.movedim(-1, 1), labels.expand(len(logits), -1), reduction="none").mean(dim=1)


def smoothed(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross entropy with smoothed labels (Szegedy et al., 2016): `SMOOTHING` is spread over all words."""
    rows, labels = logits.movedim(-1, 1), labels.expand(len(logits), -1)
    return functional.cross_entropy(rows, labels, reduction="none", label_smoothing=SMOOTHING).mean(dim=1)


def hinge(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean multi-class hinge loss, the sum over wrong words of max(0, margin + wrong - right)."""
    right = logits.gather(-1, labels.expand(len(logits), -1)[..., None])  # (B, N, 1)
    # The sum includes the right word, which contributes exactly the margin.
    return ((logits - right + MARGIN).clamp(min=0).sum(dim=-1) - MARGIN).mean(dim=1)


def error_rate(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the share of examples whose largest logit is not that of the correct word: 1 - accuracy."""
    return (logits.argmax(dim=-1) != labels).to(torch.float32).mean(dim=1)


def loss_called(name: str) -> Loss:
    """Return the loss with this name.

    Raises:
        UnknownNameError: there is no such loss.
        PluginError: the loss cannot be imported; or, when called, does not return one number per candidate.
    """
    loss: Loss = catalogue().losses.bound(name)

    def checked(logits: Tensor, labels: Tensor) -> Tensor:
        losses: object = loss(logits, labels)
        if not isinstance(losses, Tensor):
            raise PluginError(f"loss {name!r} gives a {type(losses).__name__}, not a tensor")
        if losses.shape != (len(logits),):
            raise PluginError(f"loss {name!r} gives the shape {tuple(losses.shape)} for {len(logits)} candidates")
        return losses

    return checked
