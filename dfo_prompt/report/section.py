"""A part of a report that is a table."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table, what it shows, and what it rests on."""

    name: str
    title: str
    text: str
    table: pd.DataFrame
