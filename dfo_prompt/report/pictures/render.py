"""Renders pictures as SVG and PNG."""

import re
from typing import Any
from zlib import crc32

import vl_convert

from dfo_prompt.report.pictures.picture import STYLE, Columns, VegaLite, static

VEGA_LITE = "6.4"
WIDTH = 560
"""The width of the axes in pixels."""
ID = re.compile(r'(id="|url\(#)(([a-z_]+)\d+)')
"""The id of an SVG definition, and its references."""
SCALE = 2.0
"""The scale of the PNG relative to the SVG."""


def svg_of(spec: VegaLite, columns: Columns, title: str) -> str:
    """Return the picture with its title as SVG."""
    full = {
        **static(spec),
        "width": WIDTH,
        "title": title,
        "background": "white",
        "padding": 12,
        "config": STYLE,
        "data": {"values": rows_of(columns)},
    }
    return _renumbered(vl_convert.vegalite_to_svg(full, vl_version=VEGA_LITE))


def inline_svg(svg: str) -> str:
    """Return the picture with ids that are unique on a page of several pictures."""
    mark = f"{crc32(svg.encode()):08x}-"
    return ID.sub(lambda match: f"{match[1]}p{mark}{match[2]}", svg)


def png_of(svg: str) -> bytes:
    """Return an SVG picture as PNG."""
    return vl_convert.svg_to_png(svg, scale=SCALE)


def rows_of(columns: Columns) -> list[dict[str, Any]]:
    """Return the columns as a list of rows."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _renumbered(svg: str) -> str:
    """Return the picture with ids numbered from 1; Vega counts them across all pictures of a process."""
    names: dict[str, str] = {}

    def renamed(match: re.Match[str]) -> str:
        return match[1] + names.setdefault(match[2], f"{match[3]}{len(names) + 1}")

    return ID.sub(renamed, svg)
