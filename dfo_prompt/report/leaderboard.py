"""Computes the numbers of the leaderboard and of the table of pairs from a comparison."""

import pandas as pd

from dfo_prompt.report import statistics
from dfo_prompt.report.comparison import Comparison
from dfo_prompt.types import Vector

MEANS = ("best_loss", "recommended_loss", "dev_metric", "test_metric", "optimizer_seconds", "objective_seconds")
"""Columns whose means over studies are in the leaderboard; seconds are averaged over studies with queries only."""
LOSSES = ("best_loss", "recommended_loss")
"""Columns whose scale depends on the problem."""
BOARD = ("optimizer", "rank", "best_rank", "worst_rank", "score", "low", "high", "area", *MEANS, "failures", "packed")
PAIRS = ("first", "second", "difference", "low", "high", "p", "improvement", "conclusion")


def leaderboard_of(studies: pd.DataFrame, comparison: Comparison, areas: Vector) -> pd.DataFrame:
    """Return one row per optimizer, the best first. Losses are NaN with several problems, whose scales differ."""
    interval = statistics.stratified if comparison.inference == "seeds" else statistics.clustered
    several, rows = len(comparison.values) > 1, []
    for i, name in enumerate(comparison.names):
        own = (studies["optimizer"] == name).to_numpy()
        queried = own & (studies["queries"] > 0).to_numpy()
        score, (best, worst) = interval(1 - comparison.values[:, :, i]), comparison.ranks(i)
        means = {key: float(studies.loc[queried if key.endswith("_seconds") else own, key].mean()) for key in MEANS}
        rows.append(
            {
                "optimizer": name,
                "rank": i + 1,
                "best_rank": best,
                "worst_rank": worst,
                "score": score.value,
                "low": score.low,
                "high": score.high,
                "area": float(areas[own].mean()),
                **{key: float("nan") if several and key in LOSSES else value for key, value in means.items()},
                "failures": int(studies.loc[own, "failures"].sum()),
                "packed": bool(studies.loc[own, "packed"].all()),
            }
        )
    return pd.DataFrame(rows, columns=list(BOARD))


def pairs_of(comparison: Comparison) -> pd.DataFrame:
    """Return one row per pair of optimizers.

    Columns: first (the higher score), second, difference (of their scores), low and high (its interval), p,
    improvement (the probability of improvement of the first), conclusion ("better", "equal", "open").
    """
    names, rows = comparison.names, []
    figures = zip(comparison.pairs, comparison.differences, comparison.intervals, comparison.p, strict=True)
    for ((i, j), difference, (low, high), p), conclusion in zip(figures, comparison.conclusions, strict=True):
        chance = statistics.probability_of_improvement(comparison.values[:, :, [i, j]])
        rows.append((names[i], names[j], float(difference), float(low), float(high), float(p), chance, str(conclusion)))
    return pd.DataFrame(rows, columns=list(PAIRS))
