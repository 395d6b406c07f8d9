"""Draws the convergence on a problem: the best loss so far against queries, median over seeds."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.pictures.curves import curves, thinned
from dfo_prompt.report.pictures.picture import Picture, axis
from dfo_prompt.report.pictures.selection import columns_of, logarithmic, points, ranked, searched, shown
from dfo_prompt.report.texts import counted
from dfo_prompt.types import Matrix

EARLY = " A study that ended early keeps its last value."


def convergence(analysis: Analysis, problem: str) -> Picture | None:
    """Draw the convergence on a problem; None if none of its studies is finished."""
    by_name = {name: rows for name in ranked(analysis) if len(rows := analysis.curves_of(problem, name))}
    if not by_name:
        return None
    studies = analysis.studies[searched(analysis) & (analysis.studies["problem"] == problem)]
    budget = int(studies["budget"].max())
    early = EARLY if (studies["queries"] < studies["budget"]).any() else ""
    at = points(budget)
    data = pd.concat([_band(name, curves, at) for name, curves in by_name.items()], ignore_index=True)
    selection = shown(analysis, list(by_name))
    looks = list(selection.looks.values())
    drawn = data.loc[data["optimizer"].isin(selection.looks), ["median", "low", "high"]]
    x = axis("queries", "queries", domain=[0, budget])
    y = axis("median", "best training loss so far", padding=8, **logarithmic(drawn))
    return Picture(
        name=f"convergence-{analysis.problems.index(problem) + 1}",
        title=f"Convergence: {problem}",
        text=_caption([len(curves) for curves in by_name.values()]) + early + selection.note,
        spec=curves(looks, x, y, bands=len(analysis.seeds) > 1),
        columns=thinned(columns_of(data, selection.looks, ["queries", "median", "low", "high"]), "queries"),
        looks=looks,
        data=data,
        problem=problem,
    )


def _band(name: str, curves: Matrix, at: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return an optimizer's median over seeds at the queries `at`, and its 95 % bootstrap interval.

    A seed without a finite loss counts as infinite. Infinite medians are NaN, and so are both bounds of infinite intervals.
    """
    losses = curves[:, at - 1]  # (seeds, points)
    drawn = np.random.default_rng(0).integers(len(losses), size=(500, len(losses)))
    infinite = np.where(np.isnan(losses), np.inf, losses)  # no loss yet is worse than any loss
    with np.errstate(invalid="ignore"):  # between two infinite medians
        low, high = np.quantile(np.median(infinite[drawn], axis=1), [0.025, 0.975], axis=0)
        middle = np.median(infinite, axis=0)
    middle[~np.isfinite(middle)] = np.nan
    unknown = ~np.isfinite(high)
    low[unknown] = high[unknown] = np.nan
    return pd.DataFrame({"optimizer": name, "queries": at, "median": middle, "low": low, "high": high})


def _caption(seeds: Sequence[int]) -> str:
    most = max(seeds)
    over = counted(most, "seed") if min(seeds) == most else f"the finished seeds, up to {most}"
    if most == 1:
        return "Best loss so far of a single seed: a difference between two curves may be chance."
    return f"Median over {over}. On the page, pointing at a curve shows the 95 % bootstrap interval of its median."
