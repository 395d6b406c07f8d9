"""Pictures as files."""

from typing import Any

import vl_convert

from dfo_prompt.report.pictures.picture import STYLE, Columns, Spec, still

VEGA_LITE = "6.4"
WIDTH = 560
"""Of the axes, in pixels."""
SCALE = 2.0
"""Pixels of the PNG a pixel of the picture."""


def svg_of(spec: Spec, columns: Columns, title: str) -> str:
    """Return the picture, its title in it, as SVG."""
    full = {
        **still(spec),
        "width": WIDTH,
        "title": title,
        "background": "white",
        "padding": 12,
        "config": STYLE,
        "data": {"values": rows_of(columns)},
    }
    return vl_convert.vegalite_to_svg(full, vl_version=VEGA_LITE)


def png_of(svg: str) -> bytes:
    """Return the drawn picture as PNG."""
    return vl_convert.svg_to_png(svg, scale=SCALE)


def rows_of(columns: Columns) -> list[dict[str, Any]]:
    """Return the columns as rows."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
