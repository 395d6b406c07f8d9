"""Pictures of single studies: the loss that was observed beside the recommended one, and the optimizer's own time."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.pictures.labels import labels_of, note_on
from dfo_prompt.report.pictures.picture import COLOURS, Picture, colour, figure_of, rows_of, turn
from dfo_prompt.report.pictures.selection import LOG_FROM, ranked, searched, shown


def gap(analysis: Analysis) -> Picture:
    """Draw the clean loss of the recommended candidate against the best loss observed, a point a study."""
    columns = ["optimizer", "problem", "seed", "best_loss", "recommended_loss", "dev_metric", "test_metric"]
    data, of = analysis.studies.loc[searched(analysis), columns], shown(analysis, ranked(analysis))

    def paint(axes: Axes) -> None:
        for i, (name, label) in enumerate(of.labels.items()):
            part = data[data["optimizer"] == name]
            look: dict[str, Any] = {"color": colour(i), "marker": "o^s"[turn(i)], "label": label}
            axes.scatter(part["best_loss"], part["recommended_loss"], s=18, **look)
        drawn = data.loc[data["optimizer"].isin(of.labels), ["best_loss", "recommended_loss"]]
        low, high = np.nanquantile(drawn.to_numpy(dtype=np.float64), [0, 1])
        axes.plot([low, high], [low, high], color="grey", linewidth=1)
        axes.set(xlabel="best loss observed", ylabel="clean loss of the recommended candidate")
        if high > LOG_FROM * low > 0:
            axes.set(xscale="log", yscale="log")

    text = "One point per study. Above the line, the recommended candidate is worse than the best loss observed."
    text += of.note
    return Picture(name="gap", title="Observed and recommended", text=text, figure=figure_of(paint), data=data)


def seconds(analysis: Analysis) -> Picture:
    """Draw the time that each optimizer itself takes for a query."""
    means = analysis.studies[searched(analysis)].groupby("optimizer", sort=False)
    data = means[["optimizer_seconds", "objective_seconds", "queries"]].mean().reset_index()
    data["milliseconds_per_query"] = 1e3 * data["optimizer_seconds"] / data["queries"]
    labels = labels_of(analysis.studies["optimizer"])

    def paint(axes: Axes) -> None:
        rows = data.iloc[::-1]
        axes.scatter(rows["milliseconds_per_query"], np.arange(len(rows)), color=COLOURS[0])
        rows_of(axes, [labels[name] for name in rows["optimizer"]])
        axes.set(xlabel="milliseconds per query inside ask and tell", xscale="log")

    text = "Time that the optimizer itself takes, inside ask and tell. The leaderboard has the objective's time beside it."
    text += note_on(data["optimizer"])
    figure = figure_of(paint, height=1.2 + 0.25 * len(data), legend=False)
    return Picture(name="seconds", title="Optimizer time", text=text, figure=figure, data=data)
