"""Builds the table of scores by initial step size."""

import json

import pandas as pd

from dfo_prompt.config.paths import by_name
from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.numbers import number_text
from dfo_prompt.report.section import Section

VARIED = ("sigma", "seed")
"""The settings in which studies of one row may differ."""


def sensitivity(analysis: Analysis) -> Section:
    """Return the median scores by step size of entries whose other settings are equal.

    A problem counts if it ran several step sizes of such entries.
    """
    frame = _studies(analysis)
    varied = frame[frame.groupby(["group", "problem"])["sigma"].transform("nunique") > 1]
    if varied.empty:
        text = "No optimizer ran with more than one step size on the same problem, other settings equal."
        return Section(name="sigma", title="Step size", text=text, table=pd.DataFrame())
    table = varied.pivot_table(index=["optimizer", "group"], columns="sigma", values="score", aggfunc="median")
    text = f"Median {analysis.score} by the study's initial step size, other settings equal."
    if table.index.get_level_values("optimizer").has_duplicates:
        text += " A row for each set of other settings."
    table = table.droplevel("group")
    return Section(name="sigma", title="Step size", text=text, table=table.map(number_text).reset_index())


def _studies(analysis: Analysis) -> pd.DataFrame:
    """Return one row per study of a ranked search: optimizer, problem, sigma, score, and a number for its other settings."""
    studies, comparison = analysis.studies, analysis.comparison
    rows = []
    for row in studies[studies["searched"] & studies["optimizer"].isin(analysis.complete)].itertuples():
        config = analysis.suite.by_id[str(row.study)].config
        at = analysis.problems.index(row.problem), analysis.seeds.index(row.seed), analysis.complete.index(row.optimizer)
        others = {key: value for key, value in by_name(config.as_dict()).items() if key not in VARIED}
        cells = {"entry": row.optimizer, "optimizer": config.optimizer, "problem": row.problem, "sigma": config.sigma}
        rows.append(
            {**cells, "score": 1 - comparison.values[at], "settings": json.dumps(others, sort_keys=True, default=str)}
        )
    frame = pd.DataFrame(rows, columns=["entry", "optimizer", "problem", "sigma", "score", "settings"])
    settings = {
        entry: frozenset(zip(part["problem"], part["settings"], strict=True))
        for entry, part in frame.groupby("entry", sort=False)
    }
    numbers = {each: number for number, each in enumerate(dict.fromkeys(settings.values()))}
    return frame.assign(group=[numbers[settings[entry]] for entry in frame["entry"]])
