"""Draws running lengths: the share of targets or problems that each optimizer reached within a number of queries."""

import numpy as np
import pandas as pd

from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.curves import SHARES, performance_profile, share_reached
from dfo_prompt.report.pictures.curves import curves, thinned
from dfo_prompt.report.pictures.picture import Picture, VegaLite, axis
from dfo_prompt.report.pictures.selection import MOST_SHOWN, POINTS, Shown, columns_of, points, ranked, shares_table, shown

SOLVED = -3
"""The position of the target, the strictest last, that counts as solved; 90 % of the distance by default."""
PARTIAL = " The share of an entry with missing results is that of its finished studies."
TRIPLES = "(problem, seed, target) triples"


def targets(analysis: Analysis) -> Picture:
    """Draw the empirical distribution of running lengths to all targets."""
    at = points(analysis.budget)
    names = [name for name in ranked(analysis) if name in analysis.reached]
    shares = {name: share_reached(analysis.reached[name], analysis.budget)[at - 1] for name in names}
    data, selection = shares_table(shares, "queries", at), shown(analysis, list(shares))
    given = (
        "The suite gives the targets."
        if analysis.suite.settings.targets
        else "The targets are 10 % to 99 % of the way from the start to the best known loss of a problem and seed."
    )
    text = f"Share of {TRIPLES} reached after so many queries; higher is better. {given}"
    text += PARTIAL if not {*shares} <= {*analysis.complete} else ""
    x = axis("queries", "queries", domain=[0, analysis.budget])
    return _shares("targets", "Targets reached (ECDF)", text, data, selection, x, "targets reached")


def performance(analysis: Analysis, names: list[str]) -> Picture:
    """Draw the performance profile of Dolan and Moré (2002)."""
    queries = np.stack([analysis.reached[name].ravel() for name in names], axis=1)  # (cases, optimizers)
    queries = queries[np.isfinite(queries).any(axis=1)]
    ratios = np.geomspace(1, 32, POINTS)
    profile = performance_profile(queries, ratios) if len(queries) else np.zeros((len(names), POINTS))
    data, selection = shares_table(dict(zip(names, profile, strict=True)), "ratio", ratios), shown(analysis, names)
    compared = ", ".join(names) if len(names) <= MOST_SHOWN else f"all {len(names)} optimizers"
    text = (
        f"Share of the {len(queries)} {TRIPLES} that any optimizer reached, within a multiple of the fewest queries "
        f"(Dolan and Moré, 2002). The profile depends on the compared optimizers: {compared}."
    )
    x = axis("ratio", "queries, in multiples of the fewest of any optimizer", type="log", base=2, domain=[1, 32])
    return _shares("performance", "Performance profile", text, data, selection, x, "targets reached")


def data_profile(analysis: Analysis, names: list[str], dim: int) -> Picture:
    """Draw the data profile of Moré and Wild (2009) at one target."""
    at = points(analysis.budget)
    levels = sorted(analysis.suite.settings.targets or SHARES, reverse=bool(analysis.suite.settings.targets))
    which = max(SOLVED, -len(levels))
    shares = {name: share_reached(analysis.reached[name][:, which], analysis.budget)[at - 1] for name in names}
    data, selection = shares_table(shares, "queries", at), shown(analysis, names)
    data.insert(2, "simplex_gradients", data["queries"] / (dim + 1))
    level = (
        f"a loss of {levels[which]:g}"
        if analysis.suite.settings.targets
        else f"{100 * levels[which]:.0f} % of the way to the best known loss"
    )
    text = f"Share of (problem, seed) pairs solved (Moré and Wild, 2009). A pair is solved at {level}."
    x = axis("queries", f"queries (a simplex gradient takes d + 1 = {dim + 1})", domain=[0, analysis.budget])
    return _shares("data-profile", "Data profile", text, data, selection, x, "(problem, seed) pairs solved")


def _shares(name: str, title: str, text: str, data: pd.DataFrame, selection: Shown, x: VegaLite, label: str) -> Picture:
    """Return a picture of curves of shares, 0 to 1; `label` is the title of the vertical axis."""
    y = axis("share", label, domain=[0, 1])
    y["axis"] = {**y["axis"], "format": ".0%"}
    looks = list(selection.looks.values())
    return Picture(
        name=name,
        title=title,
        text=text + selection.note,
        spec=curves(looks, x, y, form=".1%"),
        columns=thinned(columns_of(data, selection.looks, [x["field"], "share"]), x["field"]),
        looks=looks,
        data=data,
    )
