"""Rows of a data set, wherever they come from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a data set.

    Attributes:
        place: file and line, as errors name it.
        cells: text by column.
        skip: why this is no row to read, if it is none; it is counted.
        inside: rows of their own that a quoted cell holds, as it does where a quote was never meant to open a cell.
    """

    place: str
    cells: Mapping[str, str] = field(default_factory=dict)
    skip: str = ""
    inside: tuple[Mapping[str, str], ...] = ()


def cell(value: object) -> str:
    """Return a value of a JSON or hub row as the text it would be in a CSV file."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
