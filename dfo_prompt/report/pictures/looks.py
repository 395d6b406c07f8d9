"""Chooses the look of each name; the colour depends on the name alone, so it is the same in all pictures and reports."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from zlib import crc32

from dfo_prompt.report.pictures.labels import labels_of

# The colour-blind safe palette of Okabe and Ito without yellow and black, which are invisible in one of the themes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY = "#888888"
DASHES = ((1, 0), (8, 3), (2, 2), (10, 3, 2, 3), (5, 2))
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
SALT = "18640"
"""Chosen so that the optimizers that suites compare most often get different colours."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """The look of a name in pictures.

    Attributes:
        label: the name, short, printable and distinct.
        dash, shape: the dashes of curves (lengths of strokes and gaps) and the shape of points; they distinguish names of
            the same colour.
    """

    label: str
    colour: str
    dash: tuple[int, ...]
    shape: str


def looks_of(names: Iterable[str], baselines: Collection[str] = ()) -> dict[str, Look]:
    """Return the look of each name; baselines are grey and dashed."""
    looks: dict[str, Look] = {}
    used: dict[str, int] = {GREY: 1}  # a baseline is never solid
    for name, label in labels_of(names).items():
        colour = GREY if name in baselines else colour_of(name)
        turn = used.get(colour, 0)
        used[colour] = turn + 1
        looks[name] = Look(label=label, colour=colour, dash=DASHES[turn % len(DASHES)], shape=SHAPES[turn % len(SHAPES)])
    return looks


def colour_of(name: str) -> str:
    """Return the colour of a name, the same everywhere."""
    return COLOURS[crc32(f"{SALT}{name}".encode(errors="backslashreplace")) % len(COLOURS)]
