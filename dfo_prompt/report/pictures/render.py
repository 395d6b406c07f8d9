"""Pictures as files."""

import re
from typing import Any
from zlib import crc32

import vl_convert

from dfo_prompt.report.pictures.picture import STYLE, Columns, Spec, still

VEGA_LITE = "6.4"
WIDTH = 560
"""Of the axes, in pixels."""
ID = re.compile(r'(id="|url\(#)(([a-z_]+)\d+)')
"""A definition in a picture, and its uses."""
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
    return _renumbered(vl_convert.vegalite_to_svg(full, vl_version=VEGA_LITE))


def inline_svg(svg: str) -> str:
    """Return the picture for a page with others: with ids that only the same picture has."""
    mark = f"{crc32(svg.encode()):08x}-"
    return ID.sub(lambda found: f"{found[1]}p{mark}{found[2]}", svg)


def png_of(svg: str) -> bytes:
    """Return the drawn picture as PNG."""
    return vl_convert.svg_to_png(svg, scale=SCALE)


def rows_of(columns: Columns) -> list[dict[str, Any]]:
    """Return the columns as rows."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _renumbered(svg: str) -> str:
    """Return a picture whose ids are numbered from 1: Vega counts them over all pictures of a process."""
    names: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        return found[1] + names.setdefault(found[2], f"{found[3]}{len(names) + 1}")

    return ID.sub(renamed, svg)
