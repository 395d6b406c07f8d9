"""States what the ranking leaves out or treats as the same, in the sentences that stand beside the verdict."""

from collections.abc import Sequence

import pandas as pd

from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.texts import counted, listed
from dfo_prompt.run.code import HASHED
from dfo_prompt.study.identity import CODE
from dfo_prompt.suite.comparable import Instance
from dfo_prompt.suite.plan import Plan

INCOMPLETE = "results on some problems or seeds are missing"
PARTIAL = "{} is missing on some problems or seeds"
WITHOUT = "{} is missing"
"""Why an entry is not ranked; of the last two, the name of the measure."""


def missing(analysis: Analysis) -> str:
    """Return which studies have no result and which entries are not ranked, and why; "" where nothing is missing."""
    unfinished = int((~analysis.studies["finished"]).sum())
    sentences = [f"{unfinished} of {len(analysis.studies)} studies have no result."] if unfinished else []
    for reason, names in _unranked(analysis).items():
        sentences.append(f"Not ranked, because {reason}: {', '.join(names)}.")
    return " ".join(sentences)


def too_few(analysis: Analysis) -> str:
    """Return why fewer than two entries are ranked, in one sentence."""
    studies, measure, unranked = analysis.studies, analysis.measure, _unranked(analysis)
    unfinished = int((~studies["finished"]).sum())
    reasons = []
    if unfinished:
        reasons.append(f"{unfinished} of {len(studies)} studies have no result")
    elif names := unranked.get(INCOMPLETE):
        reasons.append(f"{_have(names)} no result on some problems or seeds")
    if names := unranked.get(PARTIAL.format(measure)):
        reasons.append(f"{_have(names)} no {measure} on some problems or seeds")
    if names := unranked.get(WITHOUT.format(measure)):
        reasons.append(f"{_have(names)} no {measure}; give the suite another measure")
    return f"Fewer than two entries can be ranked: {', and '.join(reasons) or f'{analysis.complete[0]} is the only one'}."


def beside(analysis: Analysis) -> str:
    """Return which entries ran here and which were read from packed studies; "" where all ran here."""
    packed = analysis.studies["packed"]
    if not packed.any():
        return ""
    own, read = (list(dict.fromkeys(analysis.studies.loc[rows, "optimizer"])) for rows in (~packed, packed))
    return (
        f"Run here: {listed(own)}. Read from the packed studies of {analysis.findings.source!r}: "
        f"{counted(int(packed.sum()), 'study')} of {listed(read)}."
    )


def other_losses(analysis: Analysis) -> str:
    """Return on which problems the entries minimize different losses, and why; "" if there are none."""
    if not analysis.losses_differ:
        return ""
    problems = listed(list(analysis.losses_differ))
    reason = next(iter(analysis.losses_differ.values()))
    return f"On {problems} the entries minimize different losses ({reason} differ): their curves are not compared there."


def other_starts(analysis: Analysis) -> str:
    """Return which entries start at an x0 of their own; "" if none does."""
    instances: dict[Instance, list[Plan]] = {}
    for plan in analysis.findings.suite.plans:
        if plan.queries:
            instances.setdefault((plan.problem, plan.seed), []).append(plan)
    apart = dict.fromkeys(
        plan.optimizer
        for plans in instances.values()
        for plan in plans
        if plan.config.x0 and any(other.config.x0 != plan.config.x0 for other in plans)
    )
    return f"{listed(list(apart))} started elsewhere (x0); queries that found this start are not counted." if apart else ""


def other_looks(analysis: Analysis) -> str:
    """Return how often the entries are evaluated on dev, if their answers are chosen there and it differs."""
    every: dict[int, dict[str, None]] = {}
    for plan in analysis.findings.suite.plans if analysis.measure == "test_metric" else ():
        if plan.queries and plan.config.validate_every:
            every.setdefault(plan.config.validate_every, {})[plan.optimizer] = None
    looks = [f"{listed(list(names))} every {queries:,} queries" for queries, names in sorted(every.items())]
    return f"Evaluated on dev: {'; '.join(looks)}. More evaluations may choose a better answer." if len(looks) > 1 else ""


def other_code(analysis: Analysis) -> str:
    """Return which plugins changed while the studies were run; "" if none did."""
    versions: dict[str, set[str]] = {}
    for study in analysis.findings.evidence.values():
        for name, version in study.made.get(CODE, {}).items() if study.finished else ():
            # Files of options may belong to a problem or a seed; plugins are Python files or have a version.
            if name.endswith(".py") or not version.startswith(HASHED):
                versions.setdefault(name, set()).add(version)
    changed = sorted(name for name, found in versions.items() if len(found) > 1)
    return f"The studies ran different code of {listed(changed)}, which may be why they differ." if changed else ""


def _unranked(analysis: Analysis) -> dict[str, list[str]]:
    """Return the entries that are not ranked, by the reason."""
    reasons: dict[str, list[str]] = {}
    for name, entry in analysis.studies.groupby("optimizer", sort=False):
        if name not in analysis.complete:
            reasons.setdefault(_reason(entry, analysis.measure), []).append(str(name))
    return reasons


def _reason(entry: pd.DataFrame, measure: str) -> str:
    finished = entry["finished"]
    if finished.any() and entry.loc[finished, measure].isna().all():
        return WITHOUT.format(measure)
    return PARTIAL.format(measure) if finished.all() and entry[measure].isna().any() else INCOMPLETE


def _have(names: Sequence[str]) -> str:
    return f"{listed(names)} {'has' if len(names) == 1 else 'have'}"
