"""A picture: one declarative definition (Vega-Lite) from which the page, the SVG and the PNG come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dfo_prompt.report.pictures.looks import Look

if TYPE_CHECKING:  # the picture of a single study needs no pandas
    import pandas as pd

Spec = dict[str, Any]
Columns = Mapping[str, Sequence[Any]]
"""What is drawn: a list of values a field; "entry" has labels."""
STYLE: Spec = {
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "gridOpacity": 0.6, "tickCount": 6},
    # A label at the end of an axis turns inwards; one that would still leave the picture is left out.
    "axisX": {"labelFlush": True, "labelBound": True},
    "axisY": {"labelLimit": 260},
    "legend": {"labelFontSize": 12, "labelLimit": 260, "symbolStrokeWidth": 2, "symbolSize": 300},
    "title": {"fontSize": 14, "anchor": "start", "offset": 14, "limit": 700},
}
"""Of the files; the page has the same in the colours of its text."""
SHOWN: Spec = {"filter": "indexof(hidden, datum.entry) < 0"}
LABEL = (
    "datum.label !== '' && datum.value !== 0 && (abs(datum.value) >= 1e5 || abs(datum.value) < 1e-3)"
    " ? format(datum.value, '.2~e') : datum.label"
)
"""Of a tick."""
ON_DEMAND = "on-demand-"
"""What names of layers begin with that show something where the reader points only."""
HIDDEN: Spec = {"name": "hidden", "value": []}
"""Labels of entries that the reader has switched off."""
ZOOM: Spec = {"name": "zoom", "select": {"type": "interval", "zoom": "wheel![event.ctrlKey]"}, "bind": "scales"}
OVER: Spec = {
    "name": "over",
    "select": {"type": "point", "on": "pointerover", "clear": "pointerout", "nearest": True, "fields": ["entry"]},
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture with its title, its caption and the plotted numbers.

    Attributes:
        spec: in Vega-Lite, without data.
        columns: what is drawn.
        looks: of the entries, in the order of the legend; none where an axis has the names.
        data: the numbers, for the file.
        problem: that it is about; "" if it is about all of them.
    """

    name: str
    title: str
    text: str
    spec: Spec
    columns: Columns
    looks: Sequence[Look]
    data: "pd.DataFrame"
    problem: str = ""


def still(spec: Spec) -> Spec:
    """Return the definition of a picture that nobody points at."""
    layers = [layer for layer in spec["layer"] if not layer.get("name", "").startswith(ON_DEMAND)]
    return {**spec, "layer": [_still(layer) for layer in layers]}


def _still(layer: Spec) -> Spec:
    encoding = {channel: definition for channel, definition in layer["encoding"].items() if channel != "opacity"}
    return {**{key: value for key, value in layer.items() if key != "params"}, "encoding": encoding}


def axis(field: str, title: str, **scale: Any) -> Spec:
    """Return the encoding of a numeric field on an axis with a title in words."""
    logarithmic = scale.get("type") == "log"
    of: Spec = {"grid": True, "labelExpr": LABEL, **({"format": "~g"} if logarithmic else {})}
    scale = {"nice": False, **scale} if logarithmic else {"nice": False, "zero": False, **scale}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": of}


def coloured(looks: Sequence[Look]) -> Spec:
    """Return the encoding of an entry as its colour."""
    scale = {"domain": [look.label for look in looks], "range": [look.colour for look in looks]}
    return {"field": "entry", "type": "nominal", "title": None, "scale": scale, "sort": None}


def told(field: str, title: str, form: str = "") -> Spec:
    """Return a line of a tooltip."""
    return {"field": field, "title": title, **({"format": form, "type": "quantitative"} if form else {"type": "nominal"})}
