"""What a leaderboard means, in a sentence or two."""

from dfo_prompt.report import statistics
from dfo_prompt.report.analysis import Analysis, counted

FEW_SEEDS = 5
"""With fewer the bootstrap's intervals are too narrow."""


def verdict(analysis: Analysis) -> str:
    """Return what the leaderboard means, in a sentence or two, and whether it is underpowered."""
    board, plan = analysis.leaderboard, analysis.plan
    if len(board) < 2:  # noqa: PLR2004
        return "Fewer than two optimizers have finished every study: there is nothing to rank yet."
    first, second = board["optimizer"][:2]
    difference = statistics.stratified(analysis.values[:, :, 1], less=analysis.values[:, :, 0])
    margin = float(plan["practical_difference"])
    sample = f"{counted(len(analysis.problems), 'problem')}, {counted(len(analysis.seeds), 'seed')}"
    ahead = f"{first} leads {second} by"
    if difference.value < 0:
        ahead = f"{first} ranks before {second} over the problems, though not on average, where it leads by"
    if len(analysis.seeds) == 1:
        return f"On {sample}: {ahead} {difference.value:.3g}; one seed cannot tell that from chance."
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
    look = "" if len(analysis.seeds) >= FEW_SEEDS else f" With fewer than {FEW_SEEDS} seeds this is a look, not a result."
    return f"On {sample}: {claim} (difference of their scores, 95 % stratified bootstrap).{look}"
