"""Which optimizers a picture shows, and the tables behind its curves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from dfo_prompt.report.analysis import RANDOM, Analysis
from dfo_prompt.report.pictures.labels import labels_of, note_on
from dfo_prompt.report.pictures.picture import step_curve
from dfo_prompt.types import Matrix, Vector

POINTS = 200
"""A curve is drawn at most at so many queries."""
LOG_FROM = 100
"""Losses whose largest is so many times the smallest are drawn on a logarithmic axis."""
SHOWN = 14
"""Curves in one picture at most, the best first, and random search; the numbers beside it hold all."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The optimizers that a picture has room for.

    Attributes:
        labels: as they are drawn, by name, in order.
        note: on those left out and on shortened names; "" where there are none.
    """

    labels: Mapping[str, str]
    note: str


def shown(analysis: Analysis, names: Sequence[str]) -> Shown:
    """Return the first `SHOWN` of `names`, and random search."""
    first = list(names[:SHOWN])
    if RANDOM in names[SHOWN:]:
        first[-1] = RANDOM
    labels = labels_of(analysis.studies["optimizer"])
    left_out = f" The picture shows {SHOWN} of {len(names)}; the plotted numbers have all." if len(names) > SHOWN else ""
    return Shown(labels={name: labels[name] for name in first}, note=left_out + note_on(first))


def share_curves(data: pd.DataFrame, of: Shown, x: str, *, what: str) -> Callable[[Axes], None]:
    """Return what paints a step curve of `data["share"]`, 0 to 1, for each optimizer; `what` names the vertical axis."""

    def paint(axes: Axes) -> None:
        for i, (name, label) in enumerate(of.labels.items()):
            part = data[data["optimizer"] == name]
            step_curve(axes, i, part[x], part["share"], label=label)
        at = data[x].to_numpy()
        axes.set(xlabel=x, ylabel=what, ylim=(0, 1.02))
        if at.min() < at.max():
            axes.set_xlim(at.min(), at.max())
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))

    return paint


def ranked(analysis: Analysis) -> list[str]:
    """Return the optimizers that searched, those that are ranked first."""
    others = [name for name in analysis.reached if name not in analysis.complete]
    return [name for name in (*analysis.complete, *others) if name in analysis.reached]


def searched(analysis: Analysis) -> "pd.Series[bool]":
    """Return which rows of `studies` are finished searches by an optimizer."""
    return analysis.studies["finished"] & analysis.studies["searched"]


def shares_table(values: Mapping[str, Vector], x: str, at: Vector) -> pd.DataFrame:
    """Return the curves as rows of optimizer, `x` and share."""
    curves = [pd.DataFrame({"optimizer": name, x: at, "share": row}) for name, row in values.items()]
    return pd.concat(curves, ignore_index=True)


def points(budget: int) -> Matrix:
    """Return the queries at which curves are drawn."""
    return np.unique(np.linspace(1, budget, POINTS).round().astype(int))
