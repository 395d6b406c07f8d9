"""What a leaderboard means, in a sentence or two."""

from dfo_prompt.report import statistics
from dfo_prompt.report.analysis import Analysis, counted
from dfo_prompt.report.marks import marks_of

FEW_SEEDS = 5
"""With fewer the bootstrap's intervals are too narrow."""


def verdict(analysis: Analysis) -> str:
    """Return what the leaderboard means, in a sentence or two, and whether it is underpowered.

    Where methods that need gradients are ahead, also what it means for the others.
    """
    ranked, gradients = list(analysis.complete), marks_of(analysis).names
    if len(ranked) < 2:  # noqa: PLR2004
        return "Fewer than two optimizers have finished every study: there is nothing to rank yet."
    sample = f"{counted(len(analysis.problems), 'problem')}, {counted(len(analysis.seeds), 'seed')}"
    said = f"On {sample}: {_claim(analysis, *ranked[:2])}"
    if gradients & {*ranked[:2]} and len(others := [name for name in ranked if name not in gradients]) > 1:
        said += f" Without gradients: {_claim(analysis, *others[:2])}"
    look = "" if len(analysis.seeds) >= FEW_SEEDS else f" With fewer than {FEW_SEEDS} seeds this is a look, not a result."
    return said + look * (len(analysis.seeds) > 1)


def _claim(analysis: Analysis, first: str, second: str) -> str:
    """Return how two entries differ, the first of which ranks before the second."""
    one, other = (analysis.values[:, :, analysis.complete.index(name)] for name in (first, second))
    difference = statistics.stratified(other, less=one)
    margin = analysis.suite.settings.practical_difference
    ahead = f"{first} leads {second} by"
    if difference.value < 0:
        ahead = f"{first} ranks before {second} over the problems, though not on average, where it leads by"
    if len(analysis.seeds) == 1:
        return f"{ahead} {difference.value:.3g}; one seed cannot tell that from chance."
    interval = f"{difference.value:.3g} [{difference.low:.3g}, {difference.high:.3g}]"
    if -margin <= difference.low and difference.high <= margin:
        claim = f"{first} and {second} are equally good: they differ by {interval}, within the {margin:g} that matters"
    elif difference.low > margin:
        claim = f"{first} is better than {second}, by {interval}, more than the {margin:g} that matters"
    elif difference.low > 0:
        claim = f"{first} is better than {second}, by {interval}; whether by the {margin:g} that matters is open"
    elif difference.high < 0:
        claim = f"{first} ranks before {second} over the problems, but is worse on average, by {interval}"
    else:
        claim = f"{ahead} {interval}, which may be chance: the comparison is underpowered"
    return f"{claim} (difference of their scores, 95 % stratified bootstrap)."
