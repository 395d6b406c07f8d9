"""Defines a picture in Vega-Lite, the single source of the page, the SVG and the PNG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dfo_prompt.report.pictures.looks import Look

if TYPE_CHECKING:  # the picture of a single study needs no pandas
    import pandas as pd

VegaLite = dict[str, Any]
"""A specification of Vega-Lite, or a part of one."""
Columns = Mapping[str, Sequence[Any]]
"""The plotted values by field; "entry" holds labels."""
STYLE: VegaLite = {
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "gridOpacity": 0.6, "tickCount": 6},
    # Labels at the end of an axis are moved inwards; labels that still do not fit are dropped.
    "axisX": {"labelFlush": True, "labelBound": True},
    "axisY": {"labelLimit": 260},
    "legend": {"labelFontSize": 12, "labelLimit": 260, "symbolStrokeWidth": 2, "symbolSize": 300},
    "title": {"fontSize": 14, "anchor": "start", "offset": 14, "limit": 700},
}
"""The Vega-Lite configuration of files; the page uses the colour of its text."""
NOT_HIDDEN: VegaLite = {"filter": "indexof(hidden, datum.entry) < 0"}
"""The transform that drops the values of hidden entries."""
LABEL = (
    "datum.label !== '' && datum.value !== 0 && (abs(datum.value) >= 1e5 || abs(datum.value) < 1e-3)"
    " ? format(datum.value, '.2~e') : datum.label"
)
"""The expression of a tick's label."""
ON_DEMAND = "on-demand-"
"""The prefix of layer names that are visible only under the pointer."""
HIDDEN: VegaLite = {"name": "hidden", "value": []}
"""The parameter with the labels of hidden entries."""
ZOOM: VegaLite = {"name": "zoom", "select": {"type": "interval", "zoom": "wheel![event.ctrlKey]"}, "bind": "scales"}
OVER: VegaLite = {
    "name": "over",
    "select": {"type": "point", "on": "pointerover", "clear": "pointerout", "nearest": True, "fields": ["entry"]},
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture with its title, its caption and the plotted numbers.

    Attributes:
        spec: the Vega-Lite specification, without data.
        columns: the plotted values.
        looks: the looks of the entries in the order of the legend; empty where an axis has the names.
        data: the numbers for the CSV file.
        problem: the problem that the picture shows; "" for all problems.
    """

    name: str
    title: str
    text: str
    spec: VegaLite
    columns: Columns
    looks: Sequence[Look]
    data: "pd.DataFrame"
    problem: str = ""


def static(spec: VegaLite) -> VegaLite:
    """Return the specification without its interactive parts."""
    layers = [layer for layer in spec["layer"] if not layer.get("name", "").startswith(ON_DEMAND)]
    return {**spec, "layer": [_static(layer) for layer in layers]}


def _static(layer: VegaLite) -> VegaLite:
    encoding = {channel: definition for channel, definition in layer["encoding"].items() if channel != "opacity"}
    return {**{key: value for key, value in layer.items() if key != "params"}, "encoding": encoding}


def axis(field: str, title: str, **scale: Any) -> VegaLite:
    """Return the encoding of a numeric field on an axis with a title in words."""
    logarithmic = scale.get("type") == "log"
    ticks: VegaLite = {"grid": True, "labelExpr": LABEL, **({"format": "~g"} if logarithmic else {})}
    scale = {"nice": False, **scale} if logarithmic else {"nice": False, "zero": False, **scale}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": ticks}


def coloured(looks: Sequence[Look]) -> VegaLite:
    """Return the encoding of an entry by its colour."""
    scale = {"domain": [look.label for look in looks], "range": [look.colour for look in looks]}
    return {"field": "entry", "type": "nominal", "title": None, "scale": scale, "sort": None}


def tip(field: str, title: str, form: str = "") -> VegaLite:
    """Return the encoding of a line of a tooltip."""
    return {"field": field, "title": title, **({"format": form, "type": "quantitative"} if form else {"type": "nominal"})}
