"""What a leaderboard means, in a few sentences."""

from dfo_prompt.report import statistics
from dfo_prompt.report.analysis import RANDOM, Analysis, counted
from dfo_prompt.report.marks import marks_of

FEW_SEEDS = 5
"""With fewer the bootstrap's intervals are too narrow."""
SOURCE = "(difference of scores with its 95 % stratified bootstrap interval)"


def verdict(analysis: Analysis) -> str:
    """Return what the leaderboard means in a few sentences, and in what it is weak.

    Where methods that need gradients are ahead, also what it means for the others.
    """
    if len(analysis.complete) < 2:  # noqa: PLR2004
        return "Fewer than two optimizers have finished every study: there is nothing to rank yet."
    ranked, gradients = _distinct(analysis), marks_of(analysis).names
    sample = f"On {counted(len(analysis.problems), 'problem')}, {counted(len(analysis.seeds), 'seed')}"
    if len(ranked) < 2:  # noqa: PLR2004
        return f"{sample}: all ranked optimizers gave identical journals; there is nothing to compare."
    said = [f"{sample}: {_claim(analysis, *ranked[:2])}"]
    if gradients & {*ranked[:2]} and len(others := [name for name in ranked if name not in gradients]) > 1:
        said.append(f"Without gradients: {_claim(analysis, *others[:2])}")
    said += [_against_random(analysis, *ranked[:2]), _against_the_manual_prompt(analysis, ranked[0])]
    if 1 < len(analysis.seeds) < FEW_SEEDS:
        said.append(f"With fewer than {FEW_SEEDS} seeds the intervals are too narrow: this result is preliminary.")
    return " ".join(sentence for sentence in said if sentence)


def _distinct(analysis: Analysis) -> list[str]:
    """Return the ranked optimizers without those that did the same as one before them."""
    kept: list[str] = []
    for name in analysis.complete:
        twins = {twin for group in analysis.identical if name in group.names for twin in group.names}
        if not twins & {*kept}:
            kept.append(name)
    return kept


def _difference(analysis: Analysis, first: str, second: str) -> statistics.Interval:
    one, other = (analysis.values[:, :, analysis.complete.index(name)] for name in (first, second))
    return statistics.stratified(other, less=one)


def _claim(analysis: Analysis, first: str, second: str) -> str:
    """Return how two entries differ, the first of which ranks before the second."""
    difference, margin = _difference(analysis, first, second), analysis.suite.settings.practical_difference
    ahead = f"{first} leads {second} by"
    if difference.value < 0:
        ahead = f"{first} ranks before {second} over the problems, but not on average, where it leads by"
    if len(analysis.seeds) == 1:
        return f"{ahead} {difference.value:.3g}; a single seed cannot tell that from chance."
    interval = _interval(difference)
    if -margin <= difference.low and difference.high <= margin:
        claim = f"{first} and {second} are equally good: they differ by {interval}, within the {margin:g} that matters"
    elif difference.low > margin:
        claim = f"{first} is better than {second} by {interval}, more than the {margin:g} that matters"
    elif difference.low > 0:
        claim = f"{first} is better than {second} by {interval}, but perhaps by less than the {margin:g} that matters"
    elif difference.high < 0:
        claim = f"{first} ranks before {second} over the problems, but is worse on average, by {interval}"
    else:
        claim = f"{ahead} {interval}; the interval includes zero, so this may be chance"
    return f"{claim} {SOURCE}."


def _against_random(analysis: Analysis, first: str, second: str) -> str:
    """Return a warning where the leader is not shown to be better than random search."""
    if first == RANDOM:
        return "Random search leads: no optimizer is shown to be better than chance."
    if second == RANDOM or RANDOM not in analysis.complete or len(analysis.seeds) == 1:
        return ""
    difference = _difference(analysis, first, RANDOM)
    return "" if difference.low > 0 else f"{first} is not shown to be better than random search: {_interval(difference)}."


def _against_the_manual_prompt(analysis: Analysis, first: str) -> str:
    """Return a warning where the leader's prompt is no better than the hand-written one."""
    metrics = analysis.studies.loc[analysis.studies["optimizer"] == first, ["test_metric", "manual_test_metric"]]
    if metrics.empty or metrics.isna().any(axis=None):
        return ""
    ours, manual = metrics.astype(float).mean()
    tuned = f"On test, the hand-written prompt reaches {manual:.3g} and the prompt of {first} {ours:.3g}"
    return "" if ours > manual else f"{tuned}: tuning gained nothing."


def _interval(difference: statistics.Interval) -> str:
    return f"{difference.value:.3g} [{difference.low:.3g}, {difference.high:.3g}]"
