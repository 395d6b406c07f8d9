"""From a SUITE.toml to the studies that it crosses."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

from dfo_prompt._util.parsing import parse, read_toml
from dfo_prompt._util.paths import relative_to
from dfo_prompt.config.study import STUDY, StudyConfig, merge, nested, parse_config
from dfo_prompt.contracts.spec import load_target
from dfo_prompt.errors import DfoPromptError, InputError, UnknownNameError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.run.study import plugin_of
from dfo_prompt.suite.config import Entry, Exclusion, SuiteConfig


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One study of a suite, or what another method has in its place.

    Attributes:
        optimizer: name of the suite's entry, which may be a method; the optimizer itself is `config.optimizer`.
        queries: that it will spend.
    """

    optimizer: str
    problem: str
    seed: int
    config: StudyConfig
    queries: int

    @property
    def id(self) -> str:
        """Return the folder of the study below "studies"."""
        return f"{slug(self.problem)}/{slug(self.optimizer)}/{self.seed}"

    @property
    def group(self) -> str:
        """Return what tells objectives apart: studies of one group can share theirs."""
        config = self.config
        options = sorted(config.objective_options.items())
        return repr((self.is_method, config.objective, config.dim, config.seed, config.plugin, options))

    @property
    def is_method(self) -> bool:
        """Tell whether this is another method than a study."""
        return self.config.method != STUDY


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A suite with its studies crossed."""

    config: SuiteConfig
    plans: tuple[Plan, ...]

    @property
    def queries(self) -> int:
        """Return the queries of all studies."""
        return sum(plan.queries for plan in self.plans)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data: what makes results, and how they are compared."""
        studies = {
            plan.id: {
                "optimizer": plan.optimizer,
                "problem": plan.problem,
                "seed": plan.seed,
                "config": plan.config.as_dict(),
            }
            for plan in self.plans
        }
        kept = ("name", "measure", "targets", "practical_difference", "threads", "published")
        return {**{key: value for key, value in asdict(self.config).items() if key in kept}, "studies": studies}


def read_suite_file(path: Path, overrides: Mapping[str, Any] | None = None, *, model: str | None = None) -> Suite:
    """Read a SUITE.toml and cross its studies. Its paths (see `dfo_prompt._util.paths`) are relative to the file.

    Args:
        path: the file.
        overrides: keys of a study that win over all that the file says.
        model: of all studies, instead of the file's; its table [variants.MODEL], if there is one, wins over the rest of the
            file.

    Raises:
        InputError: the first thing that is wrong, by its place in the file.
    """
    data = read_toml(path)
    variants = parse(dict[str, dict[str, Any]], data.pop("variants", {}), where=f"{path}: variants")
    if model:
        data = merge(data, variants.get(model, {}))
        overrides = merge({"objective_options": {"model": model}}, overrides or {})
    for kind in ("optimizers", "methods", "problems"):
        given = data.get(kind, [])
        if not isinstance(given, list):
            raise InputError(f"{path}: {kind} is no list")
        data[kind] = [_entry(kind, number, one, path) for number, one in enumerate(given, start=1)]
    config = parse(SuiteConfig, data, where=str(path))
    _check_own_keys(config, overrides or {}, path)
    entries = [_named(one, "optimizer", config) for one in config.optimizers]
    entries += [_named(one, "method", config) for one in config.methods]
    if not entries:
        raise InputError(f"{path}: there are no optimizers to compare")
    problems = _problems(config)
    for kind, names in (("optimizer", [one.name for one in entries]), ("problem", [one.name for one in problems])):
        _check_names(kind, names, config, path)
    plans = [
        _plan(config, optimizer, problem, seed, path, overrides or {})
        for problem, seed, optimizer in product(problems, config.seeds, entries)
        if not any(_excludes(rule, optimizer.name, problem.name) for rule in config.exclude)
    ]
    if not plans:
        raise InputError(f"{path}: everything is excluded")
    _check_different(plans, path)
    _check_budgets(plans, path)
    return Suite(config=config, plans=tuple(sorted(plans, key=lambda plan: config.seeds.index(plan.seed))))


def _check_own_keys(config: SuiteConfig, overrides: Mapping[str, Any], path: Path) -> None:
    """Refuse what would make rows or seeds of a suite something else than they are called."""
    crossed: dict[str, Any] = {}
    for key in config.cross:
        crossed = merge(crossed, nested(key, None))
    named = (("--set", overrides), (f"{path}: [cross]", crossed))
    for where, keys in named:
        if taken := {"optimizer", "method"} & keys.keys():
            raise InputError(f"{where}: {min(taken)} is what a suite compares; list it under optimizers or methods")
    entries = [(f"{path}: {entry.name!r}", entry.study) for entry in (*config.optimizers, *config.methods, *config.problems)]
    for where, keys in (*named, (f"{path}: [study]", config.study), *entries):
        if "seed" in keys:
            raise InputError(f"{where}: seed would be the same in every repetition; a suite has seeds = [...]")


def _check_different(plans: Sequence[Plan], path: Path) -> None:
    studies: dict[str, list[tuple[str, StudyConfig]]] = {}
    for plan in plans:
        studies.setdefault(plan.problem, []).append((plan.optimizer, plan.config))
    for one, other in combinations(studies, 2):
        if studies[one] == studies[other]:
            raise InputError(f"{path}: problems {one!r} and {other!r} are the same; their tables must differ")


def _check_budgets(plans: Sequence[Plan], path: Path) -> None:
    first: dict[str, Plan] = {}
    for plan in plans:
        if plan.queries and plan.config.budget != (one := first.setdefault(plan.problem, plan)).config.budget:
            have = f"{one.optimizer!r} has {one.config.budget:,} queries on {plan.problem!r}"
            raise InputError(
                f"{path}: {have}, and {plan.optimizer!r} {plan.config.budget:,}; on one problem all have the same budget: "
                "set it in [study], or cross it"
            )


def _entry(kind: str, number: int, given: Any, path: Path) -> dict[str, Any]:
    where = f"{path}: {kind}, number {number}"
    if isinstance(given, str):
        return {"name": given, "study": {} if kind == "problems" else {kind.removesuffix("s"): given}}
    if not isinstance(given, dict):
        raise InputError(f"{where} is neither a name nor a table")
    name = given.get("name", given.get(kind.removesuffix("s")))
    if not isinstance(name, str):
        raise InputError(f"{where} has no name")
    return {"name": name, "study": {key: value for key, value in given.items() if key != "name"}}


def _named(entry: Entry, key: str, config: SuiteConfig) -> Entry:
    """Return a table's entry with its name for `key`, unless a preset or the suite says what that is."""
    said = key in config.study or (key == "optimizer" and "preset" in entry.study)
    return entry if said else replace(entry, study={key: entry.name, **entry.study})


def _problems(config: SuiteConfig) -> list[Entry]:
    crossed = []
    for values in product(*config.cross.values()):
        study: dict[str, Any] = {}
        for key, value in zip(config.cross, values, strict=True):
            study = merge(study, nested(key, value))
        crossed.append((", ".join(map(str, values)), study))
    options = config.study.get("objective_options")
    task = options.get("task") if isinstance(options, Mapping) else None
    usual = str(task or config.study.get("objective", StudyConfig.objective))
    return [
        Entry(name=", ".join(filter(None, (one.name, name))) or usual, study=merge(one.study, study))
        for one in config.problems or [Entry(name="")]
        for name, study in crossed
    ]


def _check_names(kind: str, names: list[str], config: SuiteConfig, path: Path) -> None:
    slugs = [slug(name) for name in names]
    for name in names:
        if slugs.count(slug(name)) > 1:
            raise InputError(f"{path}: two {kind}s are called {name!r}; give one another name")
    for rule in config.exclude:
        excluded = getattr(rule, kind)
        if excluded is not None and excluded not in names:
            raise UnknownNameError.among(f"{kind} in [[exclude]] of {path}:", excluded, names)


def _plan(
    config: SuiteConfig, optimizer: Entry, problem: Entry, seed: int, path: Path, overrides: Mapping[str, Any]
) -> Plan:
    study = merge(config.study, problem.study)
    study = merge(study, {**optimizer.study, "seed": seed})
    study = merge(relative_to(path.parent, study), overrides)
    where = f"{path}: optimizer {optimizer.name!r} on {problem.name!r}"
    try:
        parsed = parse_config(study, where=where)
        with plugin_of(parsed):
            method = catalogue().methods.find(parsed.method)
            if method.searches:
                catalogue().optimizers.find(parsed.optimizer)
            catalogue().objectives.find(parsed.objective)
            for kind in (catalogue().tasks, catalogue().projections):
                name = parsed.objective_options.get(kind.kind)
                if isinstance(name, str) and not name.endswith(".toml"):
                    kind.find(name)
            count = load_target(method.budgets, needed_by=method.name) if method.budgets else None
            budgets = count(parsed) if count else int(method.searches)
    except DfoPromptError as error:
        raise type(error)(f"{error}" if str(path) in str(error) else f"{where}: {error}") from error
    queries = budgets * parsed.budget
    return Plan(optimizer=optimizer.name, problem=problem.name, seed=seed, config=parsed, queries=queries)


def _excludes(rule: Exclusion, optimizer: str, problem: str) -> bool:
    return rule.optimizer in (None, optimizer) and rule.problem in (None, problem)


def slug(name: str) -> str:
    """Return the name as a folder may have it."""
    return re.sub(r"[^\w.+=-]+", "-", name).strip("-.").lower() or "-"
