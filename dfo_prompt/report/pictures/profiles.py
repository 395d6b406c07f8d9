"""Running lengths: the share of targets, or of problems, that each optimizer reached within some queries."""

from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.curves import SHARES, performance_profile, share_reached
from dfo_prompt.report.pictures.picture import Picture, figure_of
from dfo_prompt.report.pictures.selection import POINTS, SHOWN, points, ranked, share_curves, shares_table, shown

SOLVED = -3
"""Which of the targets, the strictest last, counts as solved: without targets of the suite, 90 % of the way."""
TRIPLES = "(problem, seed, target) triples"


def targets(analysis: Analysis) -> Picture:
    """Draw the empirical distribution of running lengths to all targets."""
    at = points(analysis.budget)
    shares = {name: share_reached(analysis.reached[name], analysis.budget)[at - 1] for name in ranked(analysis)}
    data, of = shares_table(shares, "queries", at), shown(analysis, list(shares))
    given = (
        "The suite gives the targets."
        if analysis.suite.settings.targets
        else "The targets are 10 % to 99 % of the way from the start to the best known loss of a problem and seed."
    )
    return Picture(
        name="targets",
        title="Targets reached (ECDF)",
        text=f"Share of {TRIPLES} reached after so many queries; higher is better. {given}{of.note}",
        figure=figure_of(share_curves(data, of, "queries", what="targets reached")),
        data=data,
    )


def performance(analysis: Analysis, names: list[str]) -> Picture:
    """Draw the performance profile of Dolan and Moré (2002)."""
    queries = np.stack([analysis.reached[name].ravel() for name in names], axis=1)  # (cases, optimizers)
    queries = queries[np.isfinite(queries).any(axis=1)]
    ratios = np.geomspace(1, 32, POINTS)
    profile = performance_profile(queries, ratios) if len(queries) else np.zeros((len(names), POINTS))
    data, of = shares_table(dict(zip(names, profile, strict=True)), "ratio", ratios), shown(analysis, names)

    def paint(axes: Axes) -> None:
        share_curves(data, of, "ratio", what="targets reached")(axes)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("queries, as a multiple of the fewest that any of these optimizers needed")

    compared = ", ".join(names) if len(names) <= SHOWN else f"all {len(names)} optimizers"
    text = (
        f"Share of the {len(queries)} {TRIPLES} that any optimizer reached, within a multiple of the fewest queries "
        f"(Dolan and Moré, 2002). The profile depends on who is compared: {compared}.{of.note}"
    )
    return Picture(name="performance", title="Performance profile", text=text, figure=figure_of(paint), data=data)


def data_profile(analysis: Analysis, names: list[str], dim: int) -> Picture:
    """Draw the data profile of Moré and Wild (2009) at one target."""
    at = points(analysis.budget)
    levels = sorted(analysis.suite.settings.targets or SHARES, reverse=bool(analysis.suite.settings.targets))
    which = max(SOLVED, -len(levels))
    shares = {name: share_reached(analysis.reached[name][:, which], analysis.budget)[at - 1] for name in names}
    data, of = shares_table(shares, "queries", at), shown(analysis, names)
    data.insert(2, "simplex_gradients", data["queries"] / (dim + 1))

    def paint(axes: Axes) -> None:
        share_curves(data, of, "queries", what="(problem, seed) pairs solved")(axes)
        above = axes.secondary_xaxis("top", functions=(partial(np.multiply, 1 / (dim + 1)), partial(np.multiply, dim + 1)))
        above.set_xlabel(f"simplex gradients (d + 1 = {dim + 1} queries)")

    level = (
        f"a loss of {levels[which]:g}"
        if analysis.suite.settings.targets
        else f"{100 * levels[which]:.0f} % of the way to the best known loss"
    )
    text = f"Share of (problem, seed) pairs solved (Moré and Wild, 2009). A pair is solved at {level}.{of.note}"
    return Picture(name="data-profile", title="Data profile", text=text, figure=figure_of(paint), data=data)
