"""Finds entries of a suite whose journals and answers are identical on every problem and seed that they share."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import DfoPromptError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.report.findings import Findings
from dfo_prompt.report.texts import counted
from dfo_prompt.suite.comparable import Instance

Studies = dict[Instance, Hashable]
"""Digests of journals, with the figures of the answers."""
ANSWERS = ("recommended_loss", "dev_metric", "test_metric")
"""Figures that may differ although the journals are identical: optimizers recommend, and validation chooses, differently."""


@dataclass(frozen=True, kw_only=True)
class Identical:
    """Entries with identical journals and answers.

    Attributes:
        names: the entries, in the suite's order.
        problems, studies: how many problems and studies they share.
        reason: why they do not differ; "" where it is unknown.
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
            f"{', '.join(first)} and {last} gave identical journals {where} that they share ("
            f"{counted(self.studies, 'study')} each){why}. Treat them as a single entry."
        )


def find_identical(findings: Findings, studies: pd.DataFrame) -> tuple[Identical, ...]:
    """Return the groups of entries that are identical on every problem and seed that they share.

    Entries are identical if their candidates, losses and figures of the answer (`ANSWERS`) are.

    Args:
        findings: the findings of the suite.
        studies: one row per study, finished or not.
    """
    searched = studies[studies["finished"] & studies["searched"] & (studies["queries"] > 0)]
    entries: dict[str, Studies] = {}
    answers = searched[[*ANSWERS]].astype(float).fillna(np.inf).itertuples(index=False, name=None)  # NaN differs from itself
    columns = (searched[column].tolist() for column in ("optimizer", "problem", "seed", "study"))
    for name, problem, seed, study, answer in zip(*columns, answers, strict=True):
        entries.setdefault(name, {})[problem, seed] = (findings.evidence[study].digest, answer)
    identical = []
    for names in _groups(entries):
        shared = set.intersection(*(set(entries[name]) for name in names))
        members = searched[searched["optimizer"].isin(names)]
        reason = _reason(findings, members.drop_duplicates("optimizer")["study"], members["study"])
        problems = len({problem for problem, _ in shared})
        identical.append(Identical(names=names, problems=problems, studies=len(shared), reason=reason))
    return tuple(identical)


def _groups(entries: Mapping[str, Studies]) -> list[tuple[str, ...]]:
    groups: list[list[str]] = []
    for name, studies in entries.items():
        fits = (group for group in groups if _same([studies, *(entries[member] for member in group)]))
        if (group := next(fits, None)) is None:
            groups.append([name])
        else:
            group.append(name)
    return [tuple(group) for group in groups if len(group) > 1]


def _same(entries: Sequence[Studies]) -> bool:
    """Tell whether entries share an instance, and any two of them are identical wherever both have a study."""
    pairs = combinations(entries, 2)
    return bool(set.intersection(*map(set, entries))) and all(
        first[instance] == second[instance] for first, second in pairs for instance in first.keys() & second.keys()
    )


def _reason(findings: Findings, entries: Iterable[str], studies: Iterable[str]) -> str:
    """Return why entries have identical journals, derived from the settings in which they differ."""
    settings = [_settings(findings.suite.by_id[study].config) for study in entries]
    keys = sorted({key for setting in settings for key in setting})
    differ = [key for key in keys if any(setting.get(key) != settings[0].get(key) for setting in settings)]
    if differ == ["restarts"] and all(findings.evidence[study].restarts == 0 for study in studies):
        return "no restart happened"
    if differ:
        return f"{', '.join(differ)} made no difference"
    return "their settings are the same"


def _settings(config: StudyConfig) -> dict[str, object]:
    settings = {key: getattr(config, key) for key in ("optimizer", "sigma", "popsize", "bounds", "x0", "validate_every")}
    try:
        spec = catalogue().optimizers.find(config.optimizer)
    except DfoPromptError:  # its plugin is not installed here
        return {**settings, **config.optimizer_options}
    return {**settings, "optimizer": spec.target, **spec.options, **config.optimizer_options}
