"""Computes everything that a report shows from a suite folder: values, curves, ranks and comparisons."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from shlex import quote

import numpy as np
import pandas as pd

from dfo_prompt.config.study import STUDY
from dfo_prompt.errors import InputError
from dfo_prompt.optimizers import RANDOM
from dfo_prompt.report.comparison import Comparison, compare
from dfo_prompt.report.curves import Range, area_over_curve, hits, range_of
from dfo_prompt.report.findings import Findings, read_findings
from dfo_prompt.report.frames import curves_of, studies_of
from dfo_prompt.report.identical import Identical, find_identical
from dfo_prompt.report.leaderboard import leaderboard_of, pairs_of
from dfo_prompt.suite.comparable import Agreement
from dfo_prompt.suite.fair import check_budgets, check_losses, different_losses
from dfo_prompt.suite.plan import Suite
from dfo_prompt.types import Matrix, Vector

Ranges = Mapping[Hashable, Range]
"""The range of losses on each instance (problem, seed), as pandas groups it."""
HIGHER_IS_BETTER = ("test_metric",)


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """The analysed results of a suite.

    Attributes:
        findings: the suite and the evidence of each study.
        studies: one row per study; see `STUDY_COLUMNS`.
        problems, seeds: the instances of the ranking.
        raw: the measure, (problems, seeds, optimizers).
        comparison: the comparison of the ranked optimizers by the measure, made comparable between problems: one minus a
            metric, or, for losses, the remaining share of the distance from the start to the best known loss, 0 to 1.
        leaderboard: one row per ranked optimizer, the best first: its rank and the range of ranks consistent with the
            comparison ("rank", "best_rank", "worst_rank"), the average of one minus values and its interval ("score",
            "low", "high"), the area over its curves, and means over its studies.
        curves: the smallest loss so far, (studies, queries), rows as in `studies`.
        reached: for each optimizer that searched, the query at which each (study, target) was reached.
        identical: groups of optimizers with identical journals.
        losses_differ: for each problem whose entries minimize different losses, why; it has no areas and no targets.
    """

    findings: Findings
    studies: pd.DataFrame
    problems: tuple[str, ...]
    seeds: tuple[int, ...]
    raw: Matrix
    comparison: Comparison
    leaderboard: pd.DataFrame
    curves: Matrix
    reached: Mapping[str, Matrix]
    identical: tuple[Identical, ...] = ()
    losses_differ: Mapping[str, str] = field(default_factory=dict)

    @property
    def suite(self) -> Suite:
        """Return the suite, packed studies included."""
        return self.findings.suite

    @property
    def measure(self) -> str:
        """Return the name of the measure that ranks optimizers."""
        return self.suite.settings.measure

    @property
    def complete(self) -> tuple[str, ...]:
        """Return the optimizers that finished every study; only these are ranked."""
        return self.comparison.names

    @property
    def pairs(self) -> pd.DataFrame:
        """Return one row per pair of optimizers, the higher score first."""
        return pairs_of(self.comparison)

    @property
    def budget(self) -> int:
        """Return the largest budget of the suite's studies."""
        return int(self.studies.loc[self.studies["searched"], "budget"].max())

    @property
    def with_curves(self) -> list[str]:
        """Return the problems whose curves can be compared."""
        return [problem for problem in self.problems if problem not in self.losses_differ]

    @property
    def random_searches(self) -> list[str]:
        """Return the entries that are random search, ranked or not; the one with that name comes first."""
        plans = (plan for plan in self.suite.plans if plan.config.method == STUDY and plan.config.optimizer == RANDOM)
        return sorted({plan.optimizer: None for plan in plans}, key=lambda name: name != RANDOM)

    @property
    def random_search(self) -> str:
        """Return the first of `random_searches`; "" without one."""
        return next(iter(self.random_searches), "")

    @property
    def score(self) -> str:
        """Return the name of one minus a value."""
        measure = self.measure.replace("_", " ")
        return measure if self.measure in HIGHER_IS_BETTER else f"score of {measure}"

    def curves_of(self, problem: str, optimizer: str) -> Matrix:
        """Return the curves of an optimizer's finished studies on a problem, (seeds, queries)."""
        rows = (self.studies["problem"] == problem) & (self.studies["optimizer"] == optimizer) & self.studies["finished"]
        curves: Matrix = self.curves[rows.to_numpy()]
        return curves


def analyse(folder: Path) -> Analysis:
    """Read the suite in `folder`, finished or not, and compare its optimizers.

    Only optimizers with a result on every problem and seed are ranked; the others are in `studies`.

    Raises:
        InputError: `folder` is not a suite folder, no study in it is finished, or compared studies used different data or
            are ranked by different losses.
    """
    findings = read_findings(folder)
    settings, studies, curves = findings.suite.settings, studies_of(findings), curves_of(findings)
    done = _measured(studies, settings.measure, folder)
    _check_instances(findings, done)
    check_losses(findings.suite.plans, settings.measure, str(folder))  # of folders that older versions wrote
    check_budgets(findings.suite.plans, str(folder))
    losses_differ = {
        plan.problem: f"{key} of {first.optimizer!r} and {plan.optimizer!r}"
        for key, first, plan in different_losses(findings.suite.plans)
    }
    ended = studies["finished"].to_numpy()  # others may have been refused because their data, task or model is another one
    ranges = {
        instance: within
        for instance, rows in studies.groupby(["problem", "seed"], sort=False).indices.items()
        if studies["problem"].iloc[rows[0]] not in losses_differ and (within := range_of(curves[rows[ended[rows]]]))
    }
    complete, raw = _raw(settings.measure, studies, done)
    values = _comparable(raw, settings.measure, studies, ranges)
    areas, reached = _areas_and_hits(settings.targets, studies, curves, ranges)
    comparison = compare(values, complete, margin=settings.practical_difference, inference=settings.inference)
    order = [complete.index(name) for name in comparison.names]
    return Analysis(
        findings=findings,
        studies=studies,
        problems=tuple(dict.fromkeys(studies["problem"])),
        seeds=tuple(dict.fromkeys(studies["seed"])),
        raw=raw[:, :, order],
        comparison=comparison,
        leaderboard=leaderboard_of(studies, comparison, areas),
        curves=curves,
        reached=reached,
        identical=find_identical(findings, studies),
        losses_differ=losses_differ,
    )


def _measured(studies: pd.DataFrame, measure: str, folder: Path) -> pd.DataFrame:
    """Return the finished studies that have the measure.

    Raises:
        InputError: there are none.
    """
    finished, status = studies["finished"], f"see dfo-prompt suite status {quote(str(folder))}"
    done = studies[finished & studies[measure].notna()]
    if done.empty and finished.all():
        if measure == "recommended_loss" and studies["best_loss"].notna().any():
            fault = f"the answers of all optimizers failed, so that none has a {measure}"
            raise InputError(f'{fault}; choose measure = "best_loss", and run it again')
        raise InputError(f"the objectives in {folder} have no {measure}; give the suite another measure, and run it again")
    if done.empty and finished.any():
        raise InputError(f"no finished study in {folder} has a {measure}; give the suite another measure, or {status}")
    if done.empty:
        raise InputError(f"no study in {folder} has a result for {measure} yet; {status}")
    return done


def _check_instances(findings: Findings, done: pd.DataFrame) -> None:
    for (problem, seed), rows in done.groupby(["problem", "seed"], sort=False):
        agreement = Agreement()
        for study in rows["study"]:
            if difference := agreement.difference(study, findings.evidence[study].setting):
                raise InputError(
                    f"{findings.folder}: {difference}, so that they cannot be compared on problem {problem!r}, seed {seed}; "
                    "start again in a new folder"
                )


def _comparable(raw: Matrix, measure: str, studies: pd.DataFrame, ranges: Ranges) -> Matrix:
    if measure in HIGHER_IS_BETTER:
        return 1 - raw
    instances = product(dict.fromkeys(studies["problem"]), dict.fromkeys(studies["seed"]))
    flat = raw.reshape(raw.shape[0] * raw.shape[1], raw.shape[2])
    scores = [ranges[instance].score(row) if row.size else row for instance, row in zip(instances, flat, strict=True)]
    return 1 - np.reshape(scores, raw.shape)


def _raw(measure: str, studies: pd.DataFrame, done: pd.DataFrame) -> tuple[list[str], Matrix]:
    problems, seeds = list(dict.fromkeys(studies["problem"])), list(dict.fromkeys(studies["seed"]))
    table = done.pivot_table(index=["problem", "seed"], columns="optimizer", values=measure, dropna=False)
    table = table.reindex(pd.MultiIndex.from_product([problems, seeds]))
    complete = [name for name in dict.fromkeys(studies["optimizer"]) if name in table and table[name].notna().all()]
    values = table[complete].to_numpy(dtype=np.float64).reshape(len(problems), len(seeds), len(complete))
    return complete, values


def _areas_and_hits(
    targets: list[float], studies: pd.DataFrame, curves: Matrix, ranges: Ranges
) -> tuple[Vector, dict[str, Matrix]]:
    areas = np.full(len(studies), np.nan)
    searched = (studies["finished"] & studies["searched"]).to_numpy()  # other methods have no curves
    reached: dict[str, list[Vector]] = {name: [] for name in dict.fromkeys(studies["optimizer"])}
    for instance, rows in studies.groupby(["problem", "seed"], sort=False).indices.items():
        if instance not in ranges:
            continue
        finished = rows[searched[rows]]
        areas[finished] = area_over_curve(curves[finished], ranges[instance], list(studies["budget"].iloc[finished]))
        queries = hits(curves[finished], ranges[instance].targets(targets))
        for name, row in zip(studies["optimizer"].iloc[finished], queries, strict=True):
            reached[name].append(row)
    return areas, {name: np.array(rows) for name, rows in reached.items() if rows}
