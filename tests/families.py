"""Parameters of tests that run on model families: a few in the fast lane, the others slow."""

from collections.abc import Iterable

import pytest

from dfo_prompt.testing.tiny import HEAD_OF

FEW = ("llama", "gpt2", "gemma2", "bert", "t5")
"""Rotary and learned positions, a sliding window with capped logits, a masked model, an encoder-decoder."""


def families(names: Iterable[str] = HEAD_OF) -> list[object]:
    """Return a parameter for each family."""
    return [pytest.param(name, marks=_marks(name)) for name in names]


def engines(names: Iterable[str] = HEAD_OF) -> list[object]:
    """Return the parameters (family, packing): packed and cached for a causal model; other models are never packed."""
    ways = {"packed": True, "cached": False}
    return [
        pytest.param(name, packing, marks=_marks(name), id=f"{name}-{way}")
        for name in names
        for way, packing in ways.items()
        if HEAD_OF[name] == "causal" or not packing
    ]


def _marks(name: str) -> list[pytest.MarkDecorator]:
    return [] if name in FEW else [pytest.mark.slow]
