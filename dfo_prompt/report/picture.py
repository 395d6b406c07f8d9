"""How the pictures of a report look."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

# Okabe and Ito's palette: told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture, what it shows and rests on, and the numbers in it."""

    name: str
    title: str
    text: str
    figure: Figure
    data: pd.DataFrame


def figure_of(paint: Callable[[Axes], None], *, height: float = 4.2, legend: bool = True) -> Figure:
    """Return a figure 8 inches wide in the report's style, painted by `paint`; a legend stands beside the axes."""
    figure = Figure(figsize=(8.0, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    paint(axes)
    if legend and axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def lines(data: pd.DataFrame, names: Sequence[str], x: str, y: str) -> Callable[[Axes], None]:
    """Return what paints one step curve for each of `names`, of shares `y` between 0 and 1."""

    def paint(axes: Axes) -> None:
        for i, name in enumerate(names):
            part = data[data["optimizer"] == name]
            axes.plot(part[x], part[y], label=name, **step(i))
        axes.set(xlabel=x, ylabel=y, ylim=(0, 1), xlim=(data[x].min(), data[x].max()))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))

    return paint


def colour(i: int) -> str:
    """Return the colour of the i-th optimizer."""
    return COLOURS[i % len(COLOURS)]


def step(i: int) -> dict[str, Any]:
    """Return how the curve of the i-th optimizer is drawn: it holds until the next query that betters it."""
    return {"color": colour(i), "linestyle": ("-", "--", ":")[turn(i)], "drawstyle": "steps-post"}


def turn(i: int) -> int:
    """Return which kind of line or point tells it from others of its colour."""
    return i // len(COLOURS) % 3
