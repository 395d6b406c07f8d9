"""Compares optimizers on a Python objective in one call."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from numbers import Integral
from pathlib import Path
from typing import Any

from dfo_prompt._util.parsing import parse
from dfo_prompt._util.temporary import folder_or_temporary
from dfo_prompt.api.minimize import plain_objective, plain_table
from dfo_prompt.api.paths import path_of
from dfo_prompt.api.progress import suite_progress
from dfo_prompt.api.suites import SuiteResult, require_report, result_of
from dfo_prompt.config.prices import Prices
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.objective import Objective
from dfo_prompt.errors import InputError, UnknownNameError
from dfo_prompt.plugin.entries import find, options_of
from dfo_prompt.run.factory import plain_start
from dfo_prompt.run.objectives import Objectives
from dfo_prompt.suite.config import Entry, Measure, SuiteConfig, SuiteSettings
from dfo_prompt.suite.here import run_here
from dfo_prompt.suite.plan import Plan, Suite
from dfo_prompt.suite.reading import check_distinct
from dfo_prompt.types import Bounds, Function, Vector

WHERE = "compare()"
OWN = ("name", "optimizer", "optimizer_options", "popsize", "sigma", "x0", "bounds")
"""Keys that an entry may set; all other keys, such as the budget, are shared."""


def compare(
    optimizers: Sequence[str | Mapping[str, Any]],
    objective: Objective | Function | str,
    *,
    budget: int,
    seeds: int | Sequence[int] = 5,
    dim: int | None = None,
    vectorized: bool = False,
    popsize: int | None = None,
    sigma: float = 1.0,
    x0: Vector | None = None,
    bounds: Bounds | None = None,
    limits: Mapping[str, int | float | str] | None = None,
    prices: Prices | None = None,
    stop: Mapping[str, object] | None = None,
    measure: Measure = "recommended_loss",
    practical_difference: float = 0.01,
    out: Path | str | None = None,
    progress: bool | None = None,
) -> SuiteResult:
    """Compare optimizers on an objective with equal budgets and several seeds, as in the report of a suite.

    Args:
        optimizers: names that `dfo-prompt list optimizers` shows, or tables as in a SUITE.toml, with "name", "optimizer",
            "optimizer_options", and popsize, sigma, x0 and bounds of that entry.
        objective: an object with `dim` and `evaluate`, a function of a candidate (d,), or the name of an objective. It
            runs in this process.
        budget: number of queries of each study.
        seeds: seeds of the optimizers, or their number: 5 means 1 to 5.
        dim: d, for a function or a name.
        vectorized: True if the function takes several candidates (B, d) and returns (B,) numbers.
        popsize: candidates per ask; the default of CMA-ES if None.
        sigma: initial step size.
        x0: (d,) initial point; zero by default.
        bounds: the box [low, high]^d, or two vectors (d,) with possibly infinite ends; None means R^d.
        limits: limits in other currencies, by name; see `StudyConfig`.
        prices: prices of the objective's consumption, for a limit in dollars.
        stop: rules that end a search early, by key; see `StopConfig`.
        measure: measure that ranks the optimizers; see `SuiteSettings`.
        practical_difference: largest difference of scores that does not matter; see `SuiteSettings`.
        out: suite folder; the same call continues it, also with further optimizers and seeds, and
            `dfo-prompt suite report` writes its report. Without a folder only the result is kept.
        progress: True to show progress, False to hide it; by default shown on a terminal and in a notebook.

    Raises:
        InputError: a name, an option or a value is invalid, `out` holds something else, or the report extra is missing.
        StudyError: no study has a result, or the folder cannot be written.
    """
    require_report()
    shared = None if isinstance(objective, str) else plain_objective(objective, dim, vectorized=vectorized)
    name = objective if isinstance(objective, str) else getattr(objective, "__name__", type(objective).__name__)
    dim = shared.dim if shared else dim
    if dim is None:
        raise InputError(f"{WHERE}: objective {name!r} takes any number of coordinates; give dim=...")
    common = {"objective": name, "budget": budget, "dim": dim, "popsize": popsize, "sigma": sigma}
    common |= {"x0": plain_start(x0, dim), "bounds": bounds}
    common |= {"limits": plain_table(limits), "prices": prices, "stop": plain_table(stop)}
    settings = {"name": name, "measure": measure, "practical_difference": practical_difference}
    suite = _suite(_listed("optimizers", optimizers), common, settings, _seeds(seeds))
    objectives = Objectives().get if shared is None else lambda _: shared
    place = path_of(out, "out", where=WHERE)
    with suite_progress(progress) as watch, folder_or_temporary(place) as folder:
        errors = run_here(suite, folder, objectives, watch=watch)
        return result_of(folder, errors, kept=place is not None)


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    return [*range(1, int(seeds) + 1)] if isinstance(seeds, Integral) else _listed("seeds", seeds)


def _listed(name: str, values: Any) -> list[Any]:
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise InputError(f"{WHERE}: {name} must be a list, not {values!r:.40}")
    return [*values]


def _suite(
    optimizers: Sequence[str | Mapping[str, Any]], common: Mapping[str, Any], settings: Mapping[str, Any], seeds: list[int]
) -> Suite:
    listed = parse(SuiteConfig, {**settings, "optimizers": [*optimizers], "seeds": seeds}, where=WHERE)
    if not listed.optimizers:
        raise InputError(f"{WHERE}: there are no optimizers to compare")
    check_distinct("optimizer", [entry.name for entry in listed.optimizers], WHERE)
    configs = {entry.name: _config(entry, common) for entry in listed.optimizers}
    plans = [_plan(name, replace(configs[name], seed=seed)) for seed, name in product(listed.seeds, configs)]
    return Suite(settings=parse(SuiteSettings, settings, where=WHERE), plans=tuple(plans))


def _config(entry: Entry, common: Mapping[str, Any]) -> StudyConfig:
    for key in entry.study:
        if key not in OWN:
            raise UnknownNameError.among(f"key of optimizer {entry.name!r} in {WHERE}:", key, OWN)
    keys = {**common, "optimizer": entry.name, **entry.study}
    config = parse(StudyConfig, keys, where=f"{WHERE}: optimizer {entry.name!r}").resolved()
    find("optimizer", config.optimizer)
    options_of("optimizer", config.optimizer, config.optimizer_options)
    return config


def _plan(name: str, study: StudyConfig) -> Plan:
    return Plan(optimizer=name, problem=study.objective, seed=study.seed, config=study, queries=study.budget)
