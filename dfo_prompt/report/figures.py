"""The pictures of a suite, and the numbers plotted in each."""

import warnings
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scikit_posthocs import critical_difference_diagram, posthoc_nemenyi_friedman

from dfo_prompt.config.study import STUDY
from dfo_prompt.report.analysis import RANDOM, Analysis, counted
from dfo_prompt.report.curves import SHARES, performance_profile, share_reached
from dfo_prompt.report.marks import marks_of
from dfo_prompt.report.picture import COLOURS, Picture, colour, figure_of, lines, step, turn
from dfo_prompt.types import Matrix, Vector

POINTS = 200
"""A curve is drawn at most at so many queries."""
LOG_FROM = 100
"""Losses whose largest is so many times the smallest are drawn on a logarithmic axis."""
SHOWN = 14
"""Curves in one picture at most, the best first, and random search; the numbers beside it hold all."""
BANDS = 3
"""Bands in one picture at most, likewise: more would hide each other."""
SOLVED = -3
"""Which of the targets, the strictest last, counts as solved: without targets of the suite, 90 % of the way."""


def draw_all(analysis: Analysis) -> Iterator[Picture]:
    """Draw every picture that the suite has data for."""
    searched = [name for name in analysis.complete if name in analysis.reached]
    if analysis.reached:
        yield from filter(None, (_convergence(analysis, problem) for problem in analysis.problems))
        yield _targets(analysis)
    if len(analysis.complete) > 1:
        yield _scores(analysis)
    if len(searched) > 1:
        yield _performance(analysis, searched)
        if len(dims := {plan.config.dim for plan in analysis.suite.plans}) == 1:
            yield _data_profile(analysis, searched, *dims)
    if len(analysis.complete) > 2 and len(analysis.problems) > 2:  # noqa: PLR2004
        yield _critical_difference(analysis)
    if analysis.reached:
        yield _gap(analysis)
        yield _seconds(analysis)


def _convergence(analysis: Analysis, problem: str) -> Picture | None:
    found = [(name, curves) for name in _ranked(analysis) if len(curves := analysis.curves_of(problem, name))]
    if not found:
        return None
    budget = int(analysis.studies.loc[_searched(analysis) & (analysis.studies["problem"] == problem), "budget"].max())
    at = _points(budget)
    rows = []
    for name, curves in found:
        of = curves[:, at - 1]  # (seeds, points)
        drawn = np.random.default_rng(0).integers(len(of), size=(500, len(of)))
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # before the first finite loss
            low, high = np.nanquantile(np.nanmedian(of[drawn], axis=1), [0.025, 0.975], axis=0)
            middle = np.nanmedian(of, axis=0)
        rows.append(pd.DataFrame({"optimizer": name, "queries": at, "median": middle, "low": low, "high": high}))
    data = pd.concat(rows, ignore_index=True)
    names, text = _shown([name for name, _ in found])

    def paint(axes: Axes) -> None:
        for i, name in enumerate(names):
            part = data[data["optimizer"] == name]
            if i < BANDS:
                axes.fill_between(part["queries"], part["low"], part["high"], color=colour(i), alpha=0.15, linewidth=0)
            axes.plot(part["queries"], part["median"], label=name, **step(i))
        axes.set(xlabel="queries", ylabel="best training loss so far", xlim=(0, budget))
        medians = data.loc[data["optimizer"].isin(names), "median"]
        if medians.max() > LOG_FROM * medians.min() > 0:
            axes.set_yscale("log")

    most = max(len(curves) for _, curves in found)
    over = counted(most, "seed") if all(len(curves) == most for _, curves in found) else f"the seeds finished, up to {most}"
    bands = f" Bands{'' if len(names) <= BANDS else f', of the first {BANDS}'}: 95 % bootstrap of the median." * (most > 1)
    text = f"Median over {over}.{bands}{text}"
    name = f"convergence-{analysis.problems.index(problem) + 1}"
    return Picture(name=name, title=f"Convergence: {problem}", text=text, figure=figure_of(paint), data=data)


def _targets(analysis: Analysis) -> Picture:
    at = _points(analysis.budget)
    shares = {name: share_reached(analysis.reached[name], analysis.budget)[at - 1] for name in _ranked(analysis)}
    data = _long(shares, "queries", at, "share")
    names, of = _shown(list(shares))
    text = "Share of (problem, seed, target) triples reached. Targets: " + (
        "those of the suite."
        if analysis.suite.settings.targets
        else "10 % to 99 % of the way from the start to the best known loss of problem and seed."
    )
    return Picture(
        name="targets",
        title="Targets reached (ECDF)",
        text=f"{text}{of}",
        figure=figure_of(lines(data, names, "queries", "share")),
        data=data,
    )


def _performance(analysis: Analysis, searched: list[str]) -> Picture:
    queries = np.stack([analysis.reached[name].ravel() for name in searched], axis=1)  # (cases, optimizers)
    queries = queries[np.isfinite(queries).any(axis=1)]
    ratios = np.geomspace(1, 32, POINTS)
    profile = performance_profile(queries, ratios) if len(queries) else np.zeros((len(searched), POINTS))
    data = _long(dict(zip(searched, profile, strict=True)), "ratio", ratios, "share")
    names, of = _shown(searched)

    def paint(axes: Axes) -> None:
        lines(data, names, "ratio", "share")(axes)
        axes.set_xscale("log", base=2)
        axes.set_xlabel("queries, in units of the fewest that any of these optimizers needed")

    pool = ", ".join(searched) if len(searched) <= SHOWN else f"all {len(searched)} optimizers"
    reached = f"the {len(queries)} (problem, seed, target) triples that any reached"
    text = f"Dolan and Moré (2002), over {reached}. Pool: {pool}.{of}"
    return Picture(name="performance", title="Performance profile", text=text, figure=figure_of(paint), data=data)


def _data_profile(analysis: Analysis, searched: list[str], dim: int) -> Picture:
    at = _points(analysis.budget)
    targets = sorted(analysis.suite.settings.targets or SHARES, reverse=bool(analysis.suite.settings.targets))
    which = max(SOLVED, -len(targets))
    shares = {name: share_reached(analysis.reached[name][:, which], analysis.budget)[at - 1] for name in searched}
    names, of = _shown(searched)
    data = _long(shares, "queries", at, "share")
    data.insert(2, "simplex_gradients", data["queries"] / (dim + 1))

    def paint(axes: Axes) -> None:
        lines(data, names, "queries", "share")(axes)
        above = axes.secondary_xaxis("top", functions=(partial(np.multiply, 1 / (dim + 1)), partial(np.multiply, dim + 1)))
        above.set_xlabel(f"simplex gradients (d + 1 = {dim + 1} queries)")

    level = (
        f"{targets[which]:g}"
        if analysis.suite.settings.targets
        else f"{100 * targets[which]:.0f} % of the way to the best known loss"
    )
    text = f"Moré and Wild (2009): share of (problem, seed) pairs solved, which is to have reached {level}.{of}"
    return Picture(name="data-profile", title="Data profile", text=text, figure=figure_of(paint), data=data)


def _scores(analysis: Analysis) -> Picture:
    board = analysis.leaderboard
    data, marks = board[["optimizer", "score", "low", "high"]].iloc[::-1], marks_of(analysis)

    def paint(axes: Axes) -> None:
        errors = np.abs(data[["low", "high"]].to_numpy().T - data["score"].to_numpy())
        axes.errorbar(data["score"], np.arange(len(data)), xerr=errors, fmt="o", color=COLOURS[0], capsize=3)
        axes.set_yticks(np.arange(len(data)), data["optimizer"].map(marks.marked))
        axes.set_xlabel(analysis.score)

    interval = ", with its 95 % stratified bootstrap interval" if len(analysis.seeds) > 1 else ""
    each = f" in each of {len(analysis.problems)} problems, averaged" if len(analysis.problems) > 1 else ""
    text = f"Interquartile mean over {counted(len(analysis.seeds), 'seed')}{each}{interval}.{marks.note}"
    figure = figure_of(paint, height=1.2 + 0.3 * len(data), legend=False)
    return Picture(name="scores", title="Scores", text=text, figure=figure, data=data)


def _critical_difference(analysis: Analysis) -> Picture:
    medians = pd.DataFrame(np.median(analysis.values, axis=1), columns=list(analysis.complete))
    ranks, marks = medians.rank(axis=1).mean(), marks_of(analysis)

    def paint(axes: Axes) -> None:
        # By number: sets of names have another order in every process, and the picture's bytes would show it.
        numbered, test = dict(enumerate(ranks)), posthoc_nemenyi_friedman(medians.to_numpy())
        label = "{label} {rank:.2g}"
        critical_difference_diagram(numbered, test, ax=axes, label_fmt_left=label, label_fmt_right=label)
        for written in axes.texts:
            number, rank = written.get_text().split()
            written.set_text(f"{marks.marked(analysis.complete[int(number)])} ({rank})")

    text = (
        f"Mean ranks over {len(medians)} problems; optimizers joined by a bar are not told apart by the Nemenyi test "
        f"(alpha 0.05). A picture only: the table of pairs has the tests.{marks.note}"
    )
    figure = figure_of(paint, height=1.2 + 0.2 * len(ranks), legend=False)
    return Picture(
        name="ranks",
        title="Critical difference",
        text=text,
        figure=figure,
        data=ranks.rename("rank").rename_axis("optimizer").reset_index(),
    )


def _gap(analysis: Analysis) -> Picture:
    columns = ["optimizer", "problem", "seed", "best_loss", "recommended_loss", "dev_metric", "test_metric"]
    data = analysis.studies.loc[_searched(analysis), columns]
    names, of = _shown(_ranked(analysis))

    def paint(axes: Axes) -> None:
        for i, name in enumerate(names):
            part = data[data["optimizer"] == name]
            marker = "o^s"[turn(i)]
            axes.scatter(part["best_loss"], part["recommended_loss"], s=18, color=colour(i), marker=marker, label=name)
        shown = data.loc[data["optimizer"].isin(names), ["best_loss", "recommended_loss"]]
        low, high = np.nanquantile(shown.to_numpy(dtype=np.float64), [0, 1])
        axes.plot([low, high], [low, high], color="grey", linewidth=1)
        axes.set(xlabel="best loss observed", ylabel="clean loss of the recommended candidate")
        if high > LOG_FROM * low > 0:
            axes.set(xscale="log", yscale="log")

    text = "One point a study. Above the line the optimizer's answer is worse than the best loss that it saw."
    return Picture(name="gap", title="Observed and recommended", text=f"{text}{of}", figure=figure_of(paint), data=data)


def _seconds(analysis: Analysis) -> Picture:
    means = analysis.studies[_searched(analysis)].groupby("optimizer", sort=False)
    data = means[["optimizer_seconds", "objective_seconds", "queries"]].mean().reset_index()
    data["milliseconds_per_query"] = 1e3 * data["optimizer_seconds"] / data["queries"]

    def paint(axes: Axes) -> None:
        rows = data.iloc[::-1]
        axes.barh(np.arange(len(rows)), rows["milliseconds_per_query"], color=COLOURS[1])
        axes.set_yticks(np.arange(len(rows)), rows["optimizer"])
        axes.set(xlabel="milliseconds of the optimizer itself, a query", xscale="log")

    text = "Time inside ask and tell; the table has the objective's beside it."
    figure = figure_of(paint, height=1.2 + 0.25 * len(data), legend=False)
    return Picture(name="seconds", title="Optimizer time", text=text, figure=figure, data=data)


def _long(values: dict[str, Vector], x: str, at: Vector, y: str) -> pd.DataFrame:
    return pd.concat([pd.DataFrame({"optimizer": name, x: at, y: row}) for name, row in values.items()], ignore_index=True)


def _points(budget: int) -> Matrix:
    return np.unique(np.linspace(1, budget, POINTS).round().astype(int))


def _ranked(analysis: Analysis) -> list[str]:
    """Return the optimizers that searched, those that are ranked first."""
    others = [name for name in analysis.reached if name not in analysis.complete]
    return [name for name in (*analysis.complete, *others) if name in analysis.reached]


def _shown(names: list[str]) -> tuple[list[str], str]:
    """Return those whose curves a picture has room for, and a sentence on it."""
    if len(names) <= SHOWN:
        return names, ""
    first = names[:SHOWN]
    if RANDOM in names[SHOWN:]:
        first[-1] = RANDOM
    return first, f" Drawn are {SHOWN} of {len(names)}; the numbers beside it hold all."


def _searched(analysis: Analysis) -> "pd.Series[bool]":
    return analysis.studies["finished"] & (analysis.studies["method"] == STUDY)
