"""Draws step curves, one per entry."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from dfo_prompt.report.pictures.looks import Look
from dfo_prompt.report.pictures.picture import HIDDEN, NOT_HIDDEN, ON_DEMAND, OVER, ZOOM, Columns, VegaLite, coloured, tip

HEIGHT = 300


def curves(looks: Sequence[Look], x: VegaLite, y: VegaLite, *, form: str = ".4~g", bands: bool = False) -> VegaLite:
    """Return a curve of field `y` over field `x` for each entry.

    Args:
        looks: the looks of the entries.
        x: the horizontal axis.
        y: the vertical axis.
        form: the format of values of y in tooltips.
        bands: whether the fields "low" and "high" hold an interval, shown for the curve under the pointer.
    """
    dashes = {"domain": [look.label for look in looks], "range": [list(look.dash) for look in looks]}
    lines: VegaLite = {
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2, "clip": True},
        "params": [ZOOM],
        "encoding": {
            "y": y,
            "strokeDash": {"field": "entry", "type": "nominal", "title": None, "scale": dashes, "sort": None},
            "opacity": {"condition": {"param": "over", "value": 1}, "value": 0.35},
        },
    }
    points: VegaLite = {
        "name": f"{ON_DEMAND}points",
        "mark": {"type": "point", "filled": True, "size": 50, "clip": True},
        "params": [OVER],
        "encoding": {
            "y": y,
            "opacity": {"condition": {"param": "over", "empty": False, "value": 1}, "value": 0},
            "tooltip": _tooltip(x, y, form, bands=bands),
        },
    }
    return {
        "height": HEIGHT,
        "params": [HIDDEN],
        "transform": [NOT_HIDDEN],
        "encoding": {"x": x, "color": coloured(looks)},
        "layer": [*([_band(y)] if bands else []), lines, points],
    }


def _band(y: VegaLite) -> VegaLite:
    return {
        "name": f"{ON_DEMAND}band",
        "mark": {"type": "area", "interpolate": "step-after", "clip": True},
        "encoding": {
            "y": {**y, "field": "low"},
            "y2": {"field": "high"},
            "opacity": {"condition": {"param": "over", "empty": False, "value": 0.2}, "value": 0},
        },
    }


def _tooltip(x: VegaLite, y: VegaLite, form: str, *, bands: bool) -> list[VegaLite]:
    edges = [tip("low", "95 % interval from", form), tip("high", "to", form)] if bands else []
    return [tip("entry", "entry"), tip(x["field"], x["title"], ".4~g"), tip(y["field"], y["title"], form), *edges]


def thinned(columns: Columns, x: str) -> dict[str, list[Any]]:
    """Return the columns without the inner points at which a step curve does not change."""
    fields = [name for name in columns if name != x]
    rows = list(zip(*(columns[name] for name in fields), strict=True))
    entries = columns["entry"]
    kept = [0] if rows else []
    kept += [i for i, (before, row) in enumerate(pairwise(rows), start=1) if row != before or _ends(entries, i)]
    return {name: [column[i] for i in kept] for name, column in columns.items()}


def _ends(entries: Sequence[Any], i: int) -> bool:
    return i + 1 == len(entries) or entries[i + 1] != entries[i]
