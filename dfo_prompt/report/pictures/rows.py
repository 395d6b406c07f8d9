"""Draws a dot per entry, with or without an interval."""

from collections.abc import Sequence

from dfo_prompt.report.pictures.looks import Look
from dfo_prompt.report.pictures.picture import HIDDEN, NOT_HIDDEN, VegaLite, coloured

STEP = 24
"""The height of a row in pixels."""


def dots(looks: Sequence[Look], x: VegaLite, tooltip: list[VegaLite], *, spread: tuple[str, str] | None = None) -> VegaLite:
    """Return a dot per entry on the axis `x`, and a line between the two fields of `spread`, if given."""
    labels = [look.label for look in looks]
    y = {"field": "entry", "type": "nominal", "title": None, "sort": labels, "axis": {"ticks": False, "domain": False}}
    colour = {**coloured(looks), "legend": None}
    lines: list[VegaLite] = []
    if spread is not None:
        low, high = spread
        encoding = {"x": {**x, "field": low}, "x2": {"field": high}}
        lines = [{"mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.55}, "encoding": encoding}]
    point = {"mark": {"type": "point", "filled": True, "size": 80, "opacity": 1}, "encoding": {"x": x}}
    return {
        "height": STEP * len(labels),
        "params": [HIDDEN],
        "transform": [NOT_HIDDEN],
        "encoding": {"y": y, "color": colour, "tooltip": tooltip},
        "layer": [*lines, point],
    }
