"""Draws single studies: observed against recommended losses, and the optimizer's own time."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.pictures.curves import HEIGHT
from dfo_prompt.report.pictures.labels import note_on
from dfo_prompt.report.pictures.looks import Look
from dfo_prompt.report.pictures.picture import HIDDEN, NOT_HIDDEN, ZOOM, Picture, VegaLite, axis, coloured, tip
from dfo_prompt.report.pictures.rows import dots
from dfo_prompt.report.pictures.selection import all_looks, columns_of, logarithmic, ranked, searched, shown
from dfo_prompt.report.texts import printable

PROBLEM: VegaLite = {"name": "problem", "value": ""}
"""The parameter with the chosen problem; "" means all."""


def gap(analysis: Analysis) -> Picture:
    """Draw the clean loss of the recommended candidate against the best loss observed, a point per study."""
    columns = ["optimizer", "problem", "seed", "best_loss", "recommended_loss", "dev_metric", "test_metric"]
    data, selection = analysis.studies.loc[searched(analysis), columns], shown(analysis, ranked(analysis))
    drawn = data[data["optimizer"].isin(selection.looks) & data["best_loss"].notna() & data["recommended_loss"].notna()]
    looks = list(selection.looks.values())
    scale: dict[str, Any] = {"padding": 8, **logarithmic(drawn[["best_loss", "recommended_loss"]])}
    x = axis("best_loss", "best loss observed", **scale)
    y = axis("recommended_loss", "clean loss of the recommended candidate", **scale)
    text = "One point per study. Above the line, the recommended candidate is worse than the best loss observed."
    cells = columns_of(drawn, selection.looks, ["seed", "best_loss", "recommended_loss"])
    return Picture(
        name="gap",
        title="Observed and recommended",
        text=text + selection.note,
        spec=_scatter(looks, x, y) | {"params": [HIDDEN, PROBLEM]},
        columns={**cells, "problem": [printable(name) for name in drawn["problem"]]},
        looks=looks,
        data=data,
    )


def _scatter(looks: Sequence[Look], x: VegaLite, y: VegaLite) -> VegaLite:
    labels = [look.label for look in looks]
    shape: VegaLite = {"field": "entry", "type": "nominal", "title": None, "sort": None}
    shape["scale"] = {"domain": labels, "range": [look.shape for look in looks]}
    tooltip = [tip("entry", "entry"), tip("problem", "problem"), tip("seed", "seed")]
    tooltip += [tip(axis["field"], axis["title"], ".5~g") for axis in (x, y)]
    points: VegaLite = {
        "mark": {"type": "point", "filled": True, "size": 45, "opacity": 0.8, "clip": True},
        "params": [ZOOM],
        "encoding": {"x": x, "y": y, "color": coloured(looks), "shape": shape, "tooltip": tooltip},
    }
    diagonal: VegaLite = {
        "mark": {"type": "line", "color": "#888888", "clip": True, "strokeWidth": 1},
        "encoding": {"x": x, "y": {**y, "field": "best_loss"}},
    }
    chosen = {"filter": "problem === '' || datum.problem === problem"}
    return {"height": HEIGHT, "transform": [NOT_HIDDEN, chosen], "layer": [diagonal, points]}


def seconds(analysis: Analysis) -> Picture:
    """Draw the time per query that each optimizer itself takes."""
    means = analysis.studies[searched(analysis)].groupby("optimizer", sort=False)
    data = means[["optimizer_seconds", "objective_seconds", "queries"]].mean().reset_index()
    data["milliseconds_per_query"] = 1e3 * data["optimizer_seconds"] / data["queries"]
    data = data.sort_values("milliseconds_per_query", kind="stable", ignore_index=True)
    drawn = data[np.isfinite(data["milliseconds_per_query"]) & (data["milliseconds_per_query"] > 0)]
    looks = all_looks(analysis)
    title = "milliseconds per query inside ask and tell"
    order = [looks[name] for name in drawn["optimizer"]]
    tooltip = [tip("entry", "entry"), tip("milliseconds_per_query", title, ".3~g")]
    text = "Time inside the optimizer's ask and tell. The leaderboard also has the objective's time."
    return Picture(
        name="seconds",
        title="Optimizer time",
        text=text + note_on(data["optimizer"]),
        spec=dots(order, axis("milliseconds_per_query", title, type="log", padding=12), tooltip),
        columns=columns_of(drawn, looks, ["milliseconds_per_query"]),
        looks=(),
        data=data,
    )
