"""States the conclusion of a comparison in one sentence, with remarks on its limits."""

from collections.abc import Sequence

from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.comparison import Conclusion
from dfo_prompt.report.marks import marks_of
from dfo_prompt.report.notes import beside, missing, other_code, other_looks, other_losses, other_starts, too_few
from dfo_prompt.report.numbers import interval_text
from dfo_prompt.report.statistics import FEWEST_SEEDS, ROUNDING
from dfo_prompt.report.texts import counted, listed, named

OUTCOMES = (Conclusion.BETTER, Conclusion.EQUAL, Conclusion.OPEN)


def verdict(analysis: Analysis) -> str:
    """Return the conclusion from the leaderboard in one sentence."""
    if len(analysis.complete) < 2:  # noqa: PLR2004
        return too_few(analysis)
    ranked = _distinct(analysis)
    if len(ranked) < 2:  # noqa: PLR2004
        return f"{_scope(analysis)} all ranked optimizers gave identical journals; there is nothing to compare."
    return f"{_scope(analysis)} {_claim(analysis, ranked)}."


def notes(analysis: Analysis) -> list[str]:
    """Return the sentences that stand beside the verdict in every form of the report."""
    sentences = [beside(analysis), missing(analysis), *remarks(analysis), *map(str, analysis.identical)]
    return [sentence for sentence in sentences if sentence]


def remarks(analysis: Analysis) -> list[str]:
    """Return the caveats of the verdict, one sentence each."""
    if len(analysis.complete) < 2:  # noqa: PLR2004
        return []
    ranked, seeds = _distinct(analysis), len(analysis.seeds)
    sentences = [
        _without_gradients(analysis, ranked),
        _against_random(analysis, ranked),
        _against_the_manual_prompt(analysis, ranked[0]),
        _same_scores(analysis),
        other_losses(analysis),
        other_starts(analysis),
        other_looks(analysis),
        other_code(analysis),
        f"With fewer than {FEWEST_SEEDS} seeds this result is preliminary." * (1 < seeds < FEWEST_SEEDS),
    ]
    return [sentence for sentence in sentences if sentence]


def _scope(analysis: Analysis) -> str:
    number, seeds = len(analysis.problems), counted(len(analysis.seeds), "seed")
    if analysis.comparison.inference == "problems":
        return f"On problems like these {number} ({seeds}),"
    return f"On {'this problem' if number == 1 else f'these {number} problems'} ({seeds}),"


def _claim(analysis: Analysis, names: Sequence[str]) -> str:
    """Return the conclusions for the first optimizer against the others."""
    first, second, *_ = names
    ahead, it = _ahead(analysis, names)
    if not analysis.comparison.possible:
        return f"{ahead}, but {impossible(analysis)}"
    better, equal, unsettled = (_concluded(analysis, names, outcome) for outcome in OUTCOMES)
    margin = f"{analysis.comparison.margin:g}"
    if not equal and not unsettled:
        than = second if len(better) == 1 else f"each of the {len(better)} others; the closest is {second}"
        by = _difference(analysis, first, second)
        return (
            f"{first} is better than {than}, by {by}, {_matters(analysis, first, second)} the practical margin of {margin}"
        )
    clauses = []
    if equal:
        clauses.append(f"{first} and {listed(equal)} are equally good, within the practical margin of {margin}")
    if unsettled:
        alone = "it" if equal else f"{ahead}, but {it}"
        clauses.append(f"{alone} is not shown to be better than {listed(unsettled)}")
    if better:
        clauses.append(f"it is better than {listed(better)}")
    return "; ".join(clauses)


def _ahead(analysis: Analysis, names: Sequence[str]) -> tuple[str, str]:
    """Return the clause on the highest score, and the subject of a clause on the first optimizer after it."""
    first, second, *_ = names
    if len(shared := [name for name in names if _gap(analysis, first, name) <= ROUNDING]) > 1:
        return f"{listed(shared)} share the highest score", first
    return f"{first} has the highest score, {_difference(analysis, first, second)} above {second}", "it"


def _concluded(analysis: Analysis, names: Sequence[str], outcome: Conclusion) -> list[str]:
    """Return the optimizers with this conclusion from their comparison with the first."""
    first, *others = names
    return [name for name in others if conclusion(analysis, first, name) is outcome]


def impossible(analysis: Analysis) -> str:
    """Return why the suite is too small to show a difference."""
    comparison = analysis.comparison
    if comparison.inference == "seeds":
        return "a single seed cannot distinguish this from chance"
    pairs = counted(len(comparison.pairs), "pair")
    return (
        f"{counted(len(analysis.problems), 'problem')} cannot show a difference: {pairs} to compare need at least "
        f"{comparison.needed}"
    )


def conclusion(analysis: Analysis, first: str, second: str) -> Conclusion:
    """Return the conclusion on two optimizers; `first` has the higher score."""
    comparison = analysis.comparison
    return comparison.conclusions[comparison.of(first, second)]


def _gap(analysis: Analysis, first: str, second: str) -> float:
    scores, names = analysis.comparison.scores, analysis.comparison.names
    return float(scores[names.index(first)] - scores[names.index(second)])


def _matters(analysis: Analysis, first: str, second: str) -> str:
    comparison = analysis.comparison
    low, _ = comparison.intervals[comparison.of(first, second)]
    return "more than" if low > comparison.margin else "which may be less than"


def _difference(analysis: Analysis, first: str, second: str) -> str:
    comparison = analysis.comparison
    at = comparison.of(first, second)
    return interval_text(comparison.differences[at], *comparison.intervals[at], digits=3)


def _distinct(analysis: Analysis) -> list[str]:
    """Return the ranked optimizers without those identical to an optimizer ranked higher."""
    kept: list[str] = []
    for name in analysis.comparison.names:
        twins = {twin for group in analysis.identical if name in group.names for twin in group.names}
        if not twins & {*kept}:
            kept.append(name)
    return kept


def _without_gradients(analysis: Analysis, ranked: Sequence[str]) -> str:
    """Return the conclusions without methods that need gradients, if such a method has the highest score."""
    gradients = marks_of(analysis).names
    black_box = [name for name in ranked if name not in gradients]
    if ranked[0] not in gradients or len(black_box) < 2:  # noqa: PLR2004
        return ""
    return f"Without methods that need gradients: {_claim(analysis, black_box)}."


def _against_random(analysis: Analysis, ranked: Sequence[str]) -> str:
    """Return a warning where the leader is not shown to be better than random search, unless the verdict says so."""
    first, baseline = ranked[0], analysis.random_search
    if first == baseline:
        return "Random search leads: no optimizer is shown to be better than chance."
    if baseline not in analysis.complete or not analysis.comparison.possible:
        return ""
    outcome = conclusion(analysis, first, baseline)
    if outcome is Conclusion.BETTER or baseline in named(_concluded(analysis, ranked, outcome)):
        return ""
    return f"{first} is not shown to be better than random search: {_difference(analysis, first, baseline)}."


def _against_the_manual_prompt(analysis: Analysis, first: str) -> str:
    """Return a warning where the leader's prompt is no better than the hand-written one."""
    metrics = analysis.studies.loc[analysis.studies["optimizer"] == first, ["test_metric", "manual_test_metric"]]
    if metrics.empty or metrics.isna().any(axis=None):
        return ""
    tuned, manual = metrics.astype(float).mean()
    figures = f"On test, the hand-written prompt reaches {manual:.3g} and the prompt of {first} {tuned:.3g}"
    return "" if tuned > manual else f"{figures}: tuning gained nothing."


def _same_scores(analysis: Analysis) -> str:
    """Return a remark on optimizers with the same scores everywhere but different journals."""
    known = {name for group in analysis.identical for name in group.names}
    groups: dict[bytes, list[str]] = {}
    for i, name in enumerate(analysis.comparison.names):
        groups.setdefault(analysis.comparison.values[:, :, i].tobytes(), []).append(name)
    groups_of_names = [listed(names) for names in groups.values() if len(names) > 1 and not {*names} <= known]
    return f"The same score on every problem and seed: {'; '.join(groups_of_names)}." if groups_of_names else ""
