"""Draws the ranking: scores with their intervals, and ranks consistent with the comparison."""

from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.marks import marks_of
from dfo_prompt.report.pictures.labels import note_on
from dfo_prompt.report.pictures.picture import Picture, axis, tip
from dfo_prompt.report.pictures.rows import dots
from dfo_prompt.report.pictures.selection import all_looks, columns_of, logarithmic
from dfo_prompt.report.texts import counted

NEAR_ONE = 0.9
"""If all scores are above this, 1 - score is drawn."""


def scores(analysis: Analysis) -> Picture:
    """Draw each optimizer's score with its interval."""
    data = analysis.leaderboard[["optimizer", "score", "low", "high"]]
    near = bool(data["score"].min() > NEAR_ONE and data["score"].max() < 1)
    drawn = data.assign(score=1 - data["score"], low=1 - data["high"], high=1 - data["low"]) if near else data
    looks = all_looks(analysis)
    title = f"1 - {analysis.score} (lower is better)" if near else f"{analysis.score} (higher is better)"
    x = axis("score", title, padding=12, **(logarithmic(drawn[["score", "low", "high"]]) if near else {}))
    sample = analysis.comparison.inference
    alone = len(analysis.seeds if sample == "seeds" else analysis.problems) == 1
    each = f" in each of {len(analysis.problems)} problems, averaged over problems" if len(analysis.problems) > 1 else ""
    text = f"Interquartile mean over {counted(len(analysis.seeds), 'seed')}{each}"
    text += f". One {sample[:-1]} gives no interval." if alone else f", with its 95 % bootstrap interval over {sample}."
    edges = [] if alone else [tip("low", "from", ".5~g"), tip("high", "to", ".5~g")]
    tooltip = [tip("entry", "entry"), tip("score", title, ".5~g"), *edges]
    order = [looks[name] for name in data["optimizer"]]
    return Picture(
        name="scores",
        title="Scores",
        text=text + marks_of(analysis).note + note_on(analysis.complete),
        spec=dots(order, x, tooltip, spread=None if alone else ("low", "high")),
        columns=columns_of(drawn, looks, ["score", "low", "high"]),
        looks=(),
        data=data,
    )


def ranks(analysis: Analysis) -> Picture:
    """Draw the ranks of each optimizer that are consistent with the comparison of pairs."""
    data, looks = analysis.leaderboard[["optimizer", "rank", "best_rank", "worst_rank"]], all_looks(analysis)
    x = axis("rank", "rank (1 is the best)", domain=[1, len(data)], padding=12)
    x["axis"] = {**x["axis"], "tickMinStep": 1, "format": "d"}
    text = (
        "Dots: ranks by score. Lines: ranks consistent with the comparison of pairs; an optimizer's line begins after the "
        "optimizers that are shown to be better, and ends before those that it is shown to be better than."
    )
    lines = [tip("rank", "rank by score", "d"), tip("best_rank", "at best", "d"), tip("worst_rank", "at worst", "d")]
    order = [looks[name] for name in data["optimizer"]]
    return Picture(
        name="ranks",
        title="Ranks",
        text=text + marks_of(analysis).note + note_on(analysis.complete),
        spec=dots(order, x, [tip("entry", "entry"), *lines], spread=("best_rank", "worst_rank")),
        columns=columns_of(data, looks, ["rank", "best_rank", "worst_rank"]),
        looks=(),
        data=data,
    )
