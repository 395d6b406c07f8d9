"""Entries of a suite that turned out to be the same: their journals are identical wherever both ran."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import DfoPromptError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.report.findings import Findings

Studies = dict[tuple[str, int], str]
"""Digests of journals by (problem, seed)."""


@dataclass(frozen=True, kw_only=True)
class Identical:
    """Entries with identical journals.

    Attributes:
        names: of the entries, in the suite's order.
        problems, studies: on which all of them ran.
        reason: why they do not differ, as far as it is known; "" where it is not.
    """

    names: tuple[str, ...]
    problems: int
    studies: int
    reason: str = ""

    def __str__(self) -> str:
        *first, last = self.names
        where = f"on {'all' if self.problems > 1 else 'the'} {self.problems} problem{'s' * (self.problems > 1)}"
        why = f": {self.reason}" if self.reason else ""
        return (
            f"{', '.join(first)} and {last} gave identical journals {where} that they share ({self.studies} "
            f"{'study' if self.studies == 1 else 'studies'} each){why}. Read them as a single entry."
        )


def find_identical(findings: Findings, studies: pd.DataFrame) -> tuple[Identical, ...]:
    """Return the groups of entries whose candidates and losses are identical on every problem and seed that they share.

    Args:
        findings: of the suite.
        studies: a row a study, finished or not.
    """
    searched = studies[studies["finished"] & studies["searched"] & (studies["queries"] > 0)]
    entries: dict[str, Studies] = {}
    columns = (searched[column].tolist() for column in ("optimizer", "problem", "seed", "study"))
    for name, problem, seed, study in zip(*columns, strict=True):
        entries.setdefault(name, {})[problem, seed] = findings.evidence[study].digest
    found = []
    for names in _groups(entries):
        shared = set.intersection(*(set(entries[name]) for name in names))
        those = searched[searched["optimizer"].isin(names)]
        reason = _reason(findings, those.drop_duplicates("optimizer")["study"], those["study"])
        problems = len({problem for problem, _ in shared})
        found.append(Identical(names=names, problems=problems, studies=len(shared), reason=reason))
    return tuple(found)


def _groups(entries: Mapping[str, Studies]) -> list[tuple[str, ...]]:
    groups: list[list[str]] = []
    for name, studies in entries.items():
        fits = (group for group in groups if all(_same(studies, entries[other]) for other in group))
        if (group := next(fits, None)) is None:
            groups.append([name])
        else:
            group.append(name)
    return [tuple(group) for group in groups if len(group) > 1]


def _same(one: Studies, other: Studies) -> bool:
    shared = [instance for instance in one if instance in other]
    return bool(shared) and all(one[instance] == other[instance] for instance in shared)


def _reason(findings: Findings, entries: Iterable[str], studies: Iterable[str]) -> str:
    """Return why entries do not differ, from the settings in which they do."""
    settings = [_settings(findings.suite.by_id[study].config) for study in entries]
    keys = sorted({key for setting in settings for key in setting})
    differ = [key for key in keys if any(setting.get(key) != settings[0].get(key) for setting in settings)]
    if differ == ["restarts"] and all(findings.evidence[study].restarts == 0 for study in studies):
        return "no restart happened"
    if differ:
        return f"{', '.join(differ)} made no difference"
    return "their settings are the same"


def _settings(config: StudyConfig) -> dict[str, object]:
    ours = {key: getattr(config, key) for key in ("optimizer", "sigma", "popsize", "bounds", "x0")}
    try:
        spec = catalogue().optimizers.find(config.optimizer)
    except DfoPromptError:  # its plugin is not installed here
        return {**ours, **config.optimizer_options}
    return {**ours, "optimizer": spec.target, **spec.options, **config.optimizer_options}
