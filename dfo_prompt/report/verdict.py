"""What a comparison allows to say: one sentence, and remarks on its weaknesses."""

from collections.abc import Sequence

from dfo_prompt.report.analysis import RANDOM, Analysis, counted
from dfo_prompt.report.comparison import Conclusion
from dfo_prompt.report.marks import marks_of
from dfo_prompt.report.numbers import interval_text

FEW_SEEDS = 5
"""With fewer the bootstrap's intervals are too narrow."""
NAMED = 3
"""Optimizers that a sentence names at most."""


def verdict(analysis: Analysis) -> str:
    """Return what the leaderboard means in one sentence."""
    if len(analysis.complete) < 2:  # noqa: PLR2004
        return "Fewer than two optimizers have finished every study: there is nothing to rank yet."
    ranked = _distinct(analysis)
    if len(ranked) < 2:  # noqa: PLR2004
        return f"{_scope(analysis)} all ranked optimizers gave identical journals; there is nothing to compare."
    return f"{_scope(analysis)} {_claim(analysis, ranked)}."


def remarks(analysis: Analysis) -> list[str]:
    """Return what else a reader must know of the leader, a sentence each."""
    if len(analysis.complete) < 2:  # noqa: PLR2004
        return []
    ranked, seeds = _distinct(analysis), len(analysis.seeds)
    said = [
        _without_gradients(analysis, ranked),
        _against_random(analysis, ranked[0]),
        _against_the_manual_prompt(analysis, ranked[0]),
        _same_scores(analysis),
        f"With fewer than {FEW_SEEDS} seeds this result is preliminary." * (1 < seeds < FEW_SEEDS),
    ]
    return [sentence for sentence in said if sentence]


def beside(analysis: Analysis) -> str:
    """Return which entries ran here and which were read from packed studies; nothing where all ran here."""
    packed = analysis.studies["packed"]
    if not packed.any():
        return ""
    here, there = (list(dict.fromkeys(analysis.studies.loc[rows, "optimizer"])) for rows in (~packed, packed))
    others = [name for name in there if name not in here]
    return (
        f"Run here: {_listed(here)}. Packed studies of {analysis.findings.source!r} stand beside: "
        f"{counted(int(packed.sum()), 'study').replace('studys', 'studies')} of {_listed(others or there)}."
    )


def _scope(analysis: Analysis) -> str:
    number, seeds = len(analysis.problems), counted(len(analysis.seeds), "seed")
    if analysis.comparison.inference == "problems":
        return f"On problems like these {number} ({seeds}),"
    return f"On {'this problem' if number == 1 else f'these {number} problems'} ({seeds}),"


def _claim(analysis: Analysis, names: Sequence[str]) -> str:
    """Return how the first of some optimizers stands against the others."""
    first, second, *_ = names
    ahead = f"{first} has the highest score, {_difference(analysis, first, second)} above {second}"
    if not analysis.comparison.possible:
        return f"{ahead}, but {impossible(analysis)}"
    concluded = {name: conclusion(analysis, first, name) for name in names[1:]}
    better = [name for name, found in concluded.items() if found is Conclusion.BETTER]
    equal = [name for name, found in concluded.items() if found is Conclusion.EQUAL]
    unsettled = [name for name, found in concluded.items() if found is Conclusion.OPEN]
    margin = f"{analysis.comparison.margin:g}"
    if not equal and not unsettled:
        than = second if len(better) == 1 else f"each of the {len(better)} others; the closest is {second}"
        by = _difference(analysis, first, second)
        return f"{first} is better than {than}, by {by}, {_matters(analysis, first, second)} the {margin} that matters"
    said = []
    if equal:
        said.append(f"{first} and {_listed(equal)} are equally good, within the {margin} that matters")
    if unsettled:
        alone = "" if equal else f"{ahead}, "
        said.append(f"{alone}{'but ' * (not equal)}it is not shown to be better than {_listed(unsettled)}")
    if better:
        said.append(f"it is better than {_listed(better)}")
    return "; ".join(said)


def impossible(analysis: Analysis) -> str:
    """Return how large a suite it would take to show any difference."""
    comparison = analysis.comparison
    if comparison.inference == "seeds":
        return "a single seed cannot tell that from chance"
    pairs = counted(len(comparison.pairs), "pair")
    return (
        f"{counted(len(analysis.problems), 'problem')} cannot show a difference: with {pairs} to compare it takes "
        f"{comparison.needed}"
    )


def conclusion(analysis: Analysis, first: str, second: str) -> Conclusion:
    """Return what is concluded of two optimizers, the first of which has the higher score."""
    comparison = analysis.comparison
    return comparison.conclusions[comparison.of(comparison.names.index(first), comparison.names.index(second))]


def _matters(analysis: Analysis, first: str, second: str) -> str:
    comparison = analysis.comparison
    low, _ = comparison.intervals[comparison.of(comparison.names.index(first), comparison.names.index(second))]
    return "more than" if low > comparison.margin else "which may be less than"


def _difference(analysis: Analysis, first: str, second: str) -> str:
    comparison = analysis.comparison
    at = comparison.of(comparison.names.index(first), comparison.names.index(second))
    return interval_text(comparison.differences[at], *comparison.intervals[at], digits=3)


def _distinct(analysis: Analysis) -> list[str]:
    """Return the ranked optimizers without those that did the same as one before them."""
    kept: list[str] = []
    for name in analysis.comparison.names:
        twins = {twin for group in analysis.identical if name in group.names for twin in group.names}
        if not twins & {*kept}:
            kept.append(name)
    return kept


def _without_gradients(analysis: Analysis, ranked: Sequence[str]) -> str:
    """Return, where a method that needs gradients leads, what holds of the others."""
    gradients = marks_of(analysis).names
    others = [name for name in ranked if name not in gradients]
    if ranked[0] not in gradients or len(others) < 2:  # noqa: PLR2004
        return ""
    return f"Without methods that need gradients: {_claim(analysis, others)}."


def _against_random(analysis: Analysis, first: str) -> str:
    """Return a warning where the leader is not shown to be better than random search."""
    if first == RANDOM:
        return "Random search leads: no optimizer is shown to be better than chance."
    if RANDOM not in analysis.complete or not analysis.comparison.possible:
        return ""
    if conclusion(analysis, first, RANDOM) is Conclusion.BETTER:
        return ""
    return f"{first} is not shown to be better than random search: {_difference(analysis, first, RANDOM)}."


def _against_the_manual_prompt(analysis: Analysis, first: str) -> str:
    """Return a warning where the leader's prompt is no better than the hand-written one."""
    metrics = analysis.studies.loc[analysis.studies["optimizer"] == first, ["test_metric", "manual_test_metric"]]
    if metrics.empty or metrics.isna().any(axis=None):
        return ""
    ours, manual = metrics.astype(float).mean()
    tuned = f"On test, the hand-written prompt reaches {manual:.3g} and the prompt of {first} {ours:.3g}"
    return "" if ours > manual else f"{tuned}: tuning gained nothing."


def _same_scores(analysis: Analysis) -> str:
    """Return a remark on optimizers that scored the same everywhere though their journals differ."""
    known = {name for group in analysis.identical for name in group.names}
    groups: dict[bytes, list[str]] = {}
    for i, name in enumerate(analysis.comparison.names):
        groups.setdefault(analysis.comparison.values[:, :, i].tobytes(), []).append(name)
    said = [_listed(names) for names in groups.values() if len(names) > 1 and not {*names} <= known]
    return f"The same score on every problem and seed: {'; '.join(said)}." if said else ""


def _listed(names: Sequence[str]) -> str:
    """Return the names, of many the first ones and how many more there are."""
    *most, last = [*names[:NAMED], f"{len(names) - NAMED} more"] if len(names) > NAMED + 1 else names
    return f"{', '.join(most)} and {last}" if most else last
