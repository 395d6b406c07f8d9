"""Convergence on one problem: the best loss so far against queries, median over seeds."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dfo_prompt.report.analysis import Analysis, counted
from dfo_prompt.report.pictures.picture import Picture, colour, figure_of, step_curve
from dfo_prompt.report.pictures.selection import LOG_FROM, Shown, points, ranked, searched, shown
from dfo_prompt.types import Matrix

BANDS = 3
"""Bands in one picture at most: more would hide each other."""


def convergence(analysis: Analysis, problem: str) -> Picture | None:
    """Draw the convergence on a problem, or nothing where no study of it is finished."""
    found = {name: curves for name in ranked(analysis) if len(curves := analysis.curves_of(problem, name))}
    if not found:
        return None
    budget = int(analysis.studies.loc[searched(analysis) & (analysis.studies["problem"] == problem), "budget"].max())
    at = points(budget)
    data = pd.concat([_band(name, curves, at) for name, curves in found.items()], ignore_index=True)
    of = shown(analysis, list(found))

    def paint(axes: Axes) -> None:
        axes.set_xlim(0, budget)
        _paint(axes, data, of)

    return Picture(
        name=f"convergence-{analysis.problems.index(problem) + 1}",
        title=f"Convergence: {problem}",
        text=_caption([len(curves) for curves in found.values()], len(of.labels)) + of.note,
        figure=figure_of(paint),
        data=data,
    )


def _band(name: str, curves: Matrix, at: Matrix) -> pd.DataFrame:
    """Return an optimizer's median over seeds at the queries `at`, and its 95 % bootstrap interval."""
    of = curves[:, at - 1]  # (seeds, points)
    drawn = np.random.default_rng(0).integers(len(of), size=(500, len(of)))
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # before the first finite loss
        low, high = np.nanquantile(np.nanmedian(of[drawn], axis=1), [0.025, 0.975], axis=0)
        middle = np.nanmedian(of, axis=0)
    return pd.DataFrame({"optimizer": name, "queries": at, "median": middle, "low": low, "high": high})


def _paint(axes: Axes, data: pd.DataFrame, of: Shown) -> None:
    for i, (name, label) in enumerate(of.labels.items()):
        part = data[data["optimizer"] == name]
        if i < BANDS:
            edges = part["queries"], part["low"], part["high"]
            axes.fill_between(*edges, color=colour(i), alpha=0.15, linewidth=0, step="post")
        step_curve(axes, i, part["queries"], part["median"], label=label)
    axes.set(xlabel="queries", ylabel="best training loss so far")
    medians = data.loc[data["optimizer"].isin(of.labels), "median"]
    if medians.max() > LOG_FROM * medians.min() > 0:
        axes.set_yscale("log")


def _caption(seeds: Sequence[int], drawn: int) -> str:
    most = max(seeds)
    over = counted(most, "seed") if min(seeds) == most else f"the finished seeds, up to {most}"
    if most == 1:
        return "Best loss so far of a single seed: a difference between two curves may be chance."
    bands = f" of the first {BANDS}" if drawn > BANDS else ""
    return f"Median over {over}. The bands{bands} are 95 % bootstrap intervals of the median."
