"""Random streams: each thing that is drawn from a seed has its own, so that changing one setting redraws nothing else."""

from enum import IntEnum

import numpy as np

APART = 16
"""Streams between one draw of a study's projection and start and the next."""


class Stream(IntEnum):
    """What is drawn. Test functions and optimizers have the seed's own."""

    PROJECTION = 1
    START = 2
    ORDER = 3
    TRIGGER = 4


def entropy(seed: int, stream: Stream, *rest: int, draw: int = 0) -> list[int]:
    """Return what a generator is seeded with: for a study's seed, a stream and which draw of it, and numbers below it."""
    return [seed, APART * draw + stream, *rest]


def generator(seed: int, stream: Stream, *rest: int, draw: int = 0) -> np.random.Generator:
    """Return the generator; see `entropy`."""
    return np.random.default_rng(entropy(seed, stream, *rest, draw=draw))
