"""The style that all pictures share: size, colours, legend, step curves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:  # the picture of a single study needs no pandas
    import pandas as pd

# Okabe and Ito's palette: told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure with its title, its caption and the plotted numbers."""

    name: str
    title: str
    text: str
    figure: Figure
    data: "pd.DataFrame"


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


def rows_of(axes: Axes, labels: Sequence[str]) -> None:
    """Make the vertical axis one row for each label, from the bottom up."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(-0.6, len(labels) - 0.4)


def step_curve(axes: Axes, i: int, x: Any, y: Any, *, label: str) -> None:
    """Draw the curve of the i-th optimizer, which holds until the next query that improves it."""
    axes.plot(x, y, color=colour(i), linestyle=("-", "--", ":")[turn(i)], drawstyle="steps-post", label=label)


def colour(i: int) -> str:
    """Return the colour of the i-th optimizer."""
    return COLOURS[i % len(COLOURS)]


def turn(i: int) -> int:
    """Return which line style or marker distinguishes the i-th optimizer from others of its colour, 0 to 2."""
    return i // len(COLOURS) % 3
