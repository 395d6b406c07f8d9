"""Selects the optimizers that a picture shows, and builds the tables of its curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.marks import marks_of
from dfo_prompt.report.pictures.labels import note_on
from dfo_prompt.report.pictures.looks import Look, looks_of
from dfo_prompt.types import Vector

POINTS = 200
"""The most points of a curve."""
LOG_FROM = 100
"""The ratio of the largest to the smallest value from which axes are logarithmic."""
MOST_SHOWN = 14
"""The most curves in a picture, the best first and random search; its CSV file has all."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The optimizers that a picture shows.

    Attributes:
        looks: the look of each, by name, in order.
        note: a sentence on omitted and on shortened names; "" where there are none.
    """

    looks: Mapping[str, Look]
    note: str


def shown(analysis: Analysis, names: Sequence[str]) -> Shown:
    """Return the first `MOST_SHOWN` of `names`; random search replaces the last if it would be omitted."""
    first = list(names[:MOST_SHOWN])
    if analysis.random_search in names[MOST_SHOWN:]:
        first[-1] = analysis.random_search
    looks = all_looks(analysis)
    left_out = f" The picture shows {MOST_SHOWN} of {len(names)}; the plotted numbers have all."
    note = (left_out if len(names) > MOST_SHOWN else "") + note_on(first)
    return Shown(looks={name: looks[name] for name in first}, note=note)


def all_looks(analysis: Analysis) -> dict[str, Look]:
    """Return the looks of all entries: random search is the baseline; names that need gradients have a dagger."""
    marks = marks_of(analysis)
    names = dict.fromkeys([*analysis.complete, *analysis.studies["optimizer"]])
    looks = looks_of(names, analysis.random_searches)
    return {name: replace(look, label=look.label + marks.dagger(name)) for name, look in looks.items()}


def columns_of(data: pd.DataFrame, looks: Mapping[str, Look], fields: Sequence[str]) -> dict[str, list[Any]]:
    """Return the plotted values: labels of the entries in `looks`, and `fields` rounded to six digits."""
    part = data[data["optimizer"].isin(looks)]
    columns: dict[str, list[Any]] = {"entry": [looks[name].label for name in part["optimizer"]]}
    return columns | {field: [_rounded(value) for value in part[field].tolist()] for field in fields}


def logarithmic(values: "pd.DataFrame | pd.Series[float] | Vector") -> dict[str, str]:
    """Return a logarithmic scale for values that span orders of magnitude, or else the default scale.

    Args:
        values: all values that the axis shows, ends of intervals included: 0 has no place on a logarithmic axis. NaN is
            ignored.
    """
    shown = np.asarray(values, dtype=np.float64)
    shown = shown[np.isfinite(shown)]
    return {"type": "log"} if shown.size and shown.max() > LOG_FROM * shown.min() > 0 else {}


def ranked(analysis: Analysis) -> list[str]:
    """Return the optimizers that searched, ranked optimizers first."""
    names = dict.fromkeys(analysis.studies.loc[searched(analysis), "optimizer"])
    return [name for name in analysis.complete if name in names] + [name for name in names if name not in analysis.complete]


def searched(analysis: Analysis) -> "pd.Series[bool]":
    """Return a mask of the rows of `studies` that are finished searches."""
    return analysis.studies["finished"] & analysis.studies["searched"]


def shares_table(values: Mapping[str, Vector], x: str, at: Vector | npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return the curves as a table with columns optimizer, `x` and share."""
    curves = [pd.DataFrame({"optimizer": name, x: at, "share": row}) for name, row in values.items()]
    return pd.concat(curves, ignore_index=True)


def points(budget: int) -> npt.NDArray[np.int64]:
    """Return the queries at which curves are drawn."""
    return np.unique(np.linspace(1, budget, POINTS).round().astype(np.int64))


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if np.isfinite(value) else None
