"""Independent random streams of a seed: changing a setting affects only the draws of its own stream."""

from enum import IntEnum

import numpy as np

APART = 16
"""The offset between the streams of consecutive draws of a study's projection and start."""


class Stream(IntEnum):
    """The streams of a seed. Optimizers use the seed itself; test functions draw from stream 1 too."""

    PROJECTION = 1
    START = 2
    ORDER = 3
    TRIGGER = 4
    LEARNED = 5


def entropy(seed: int, stream: Stream, *rest: int, draw: int = 0) -> list[int]:
    """Return the entropy of a generator for a study's seed, a stream, a draw of the stream, and further indices."""
    return [seed, APART * draw + stream, *rest]


def seed_of_part(seed: int, part: int) -> int:
    """Return a seed for a part of a search, such as a block or a restart; a sum of both would be another study's seed."""
    return int(np.random.SeedSequence([seed, part]).generate_state(1)[0])


def generator(seed: int, stream: Stream, *rest: int, draw: int = 0) -> np.random.Generator:
    """Return the random generator of a stream; see `entropy`."""
    return np.random.default_rng(entropy(seed, stream, *rest, draw=draw))
