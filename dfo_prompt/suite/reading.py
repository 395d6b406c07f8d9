"""Reads a SUITE.toml and crosses its studies."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from typing import Any

from dfo_prompt._util.parsing import parse, read_toml
from dfo_prompt.config.reading import combined, merge, nested
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError, UnknownNameError
from dfo_prompt.run.budgets import budgets_spent, check_limits
from dfo_prompt.run.built import plugin_of
from dfo_prompt.suite.config import Entry, Exclusion, SuiteConfig, SuiteSettings
from dfo_prompt.suite.fair import check_fair
from dfo_prompt.suite.plan import Plan, Suite, slug

LONGEST = 200
"""The most bytes of a name in the form of a folder's name; file systems allow 255."""
COLUMNS = ("optimizer", "method", "gradients", "average")
"""Columns of the report's tables that have a column per problem too: no problem may have such a name."""
SHOWN_CHARACTERS = 40
"""The most characters of a long name in an error."""


def read_suite_file(
    path: Path, overrides: Mapping[str, Any] | None = None, *, model: str | None = None, add: Sequence[str] = ()
) -> Suite:
    """Read a SUITE.toml and cross its studies. Its paths are relative to the file.

    Args:
        path: the file.
        overrides: keys of a study that win over those of the file.
        model: model of all studies, in place of the file's; the table [variants.MODEL], if any, wins over the rest of the
            file.
        add: names of further optimizers.

    Raises:
        InputError: the file is invalid; the message locates the first fault.
    """
    return suite_of(read_toml(path), where=str(path), base=path.parent, overrides=overrides, model=model, add=add)


def suite_of(
    table: Mapping[str, Any],
    *,
    where: str,
    base: Path,
    overrides: Mapping[str, Any] | None = None,
    model: str | None = None,
    add: Sequence[str] = (),
) -> Suite:
    """Cross the studies of a table with the keys of a SUITE.toml.

    Args:
        table: keys of a SUITE.toml.
        where: source of the table, for errors.
        base: folder that relative paths are resolved against.
        overrides, model, add: see `read_suite_file`.

    Raises:
        InputError: see `read_suite_file`.
    """
    config, overrides = _parsed(table, {}, where), overrides or {}
    if model:
        problem = overrides.get("problem")
        if isinstance(problem, Mapping) and (other := problem.get("model", model)) != model:
            raise InputError(f"{where}: problem.model is {model!r} by --model and {other!r} by --set; leave one out")
        if variant := config.variants.get(model):
            config = _parsed(variant, table, f"{where}: variants.{model}")
        overrides = merge({"problem": {"model": model}}, overrides)
    config = replace(config, optimizers=[*config.optimizers, *(Entry(name=name, study={"optimizer": name}) for name in add)])
    _check_own_keys(config, overrides, where)
    entries = [_named(entry, "optimizer", config) for entry in config.optimizers]
    entries += [_named(method, "method", config) for method in config.methods]
    if not entries:
        raise InputError(f"{where}: there are no optimizers to compare")
    problems = _problems(config, overrides)
    for kind, listed in {"optimizer": entries, "problem": problems}.items():
        names = [entry.name for entry in listed]
        check_distinct(kind, names, where)
        _check_excluded(kind, names, config, where)
    if taken := [problem.name for problem in problems if problem.name in COLUMNS]:
        raise InputError(f"{where}: a problem cannot be called {taken[0]!r}, like a column of the report; rename it")
    plans = [
        _plan(config, optimizer, problem, seed, where, base, overrides)
        for seed, problem, optimizer in product(config.seeds, problems, entries)
        if not any(_excludes(rule, optimizer.name, problem.name) for rule in config.exclude)
    ]
    if not plans:
        raise InputError(f"{where}: everything is excluded")
    check_fair(plans, config.measure, where)
    settings = SuiteSettings(**{field.name: getattr(config, field.name) for field in fields(SuiteSettings)})
    return Suite(settings=settings, plans=tuple(plans))


def _parsed(table: Mapping[str, Any], base: Mapping[str, Any], where: str) -> SuiteConfig:
    """Parse a table, whose keys win over those of `base`.

    Keys of a study outside of [study] are refused, except those with a counterpart that the parser suggests: seed, seeds.
    """
    own = {"seed", "optimizer", "method", *SuiteConfig.__dataclass_fields__}
    known = {"preset", *StudyConfig.__dataclass_fields__} - own
    if misplaced := [key for key in table if key in known]:
        key = misplaced[0]
        place = f"[study.{key}]" if isinstance(table[key], Mapping) else "[study]"
        raise InputError(f"{where}: {key!r} is a key of each study; move it to {place}")
    return parse(SuiteConfig, merge(base, table), where=where)


def _check_own_keys(config: SuiteConfig, overrides: Mapping[str, Any], where: str) -> None:
    """Refuse keys that would override what a suite varies: optimizer, method, seed and the keys of [cross]."""
    crossed: dict[str, Any] = {}
    for key in config.cross:
        crossed = merge(crossed, nested(key, None))
        if _sets(overrides, key):
            raise InputError(f"{where}: [cross] varies {key}, so that --set or --model cannot set it")
    named = (("--set", overrides), (f"{where}: [cross]", crossed))
    for place, keys in named:
        if taken := {"optimizer", "method"} & keys.keys():
            raise InputError(f"{place}: {min(taken)} is what a suite compares; list it under optimizers or methods")
    listed = (*config.optimizers, *config.methods, *config.problems)
    entries = [(f"{where}: {entry.name!r}", entry.study) for entry in listed]
    for place, keys in (*named, (f"{where}: [study]", config.study), *entries):
        if "seed" in keys:
            raise InputError(f"{place}: seed would be the same in every repetition; a suite has seeds = [...]")


def _sets(table: Mapping[str, Any], key: str) -> bool:
    """Tell whether nested tables have a value at a dotted key."""
    first, _, rest = key.partition(".")
    value = table.get(first)
    return _sets(value, rest) if rest and isinstance(value, Mapping) else first in table and not isinstance(value, Mapping)


def _named(entry: Entry, key: str, config: SuiteConfig) -> Entry:
    """Return an entry with its name as the value of `key`, unless a preset or the suite sets `key`."""
    is_set = key in config.study or (key == "optimizer" and "preset" in entry.study)
    return entry if is_set else replace(entry, study={key: entry.name, **entry.study})


def _problems(config: SuiteConfig, overrides: Mapping[str, Any]) -> list[Entry]:
    crossed = []
    for values in product(*config.cross.values()):
        study: dict[str, Any] = {}
        for key, value in zip(config.cross, values, strict=True):
            study = merge(study, nested(key, value))
        crossed.append((", ".join(map(str, values)), study))
    study = merge(config.study, overrides)
    problem = study.get("problem")
    task = problem.get("task") if isinstance(problem, Mapping) else None
    default = str(task or study.get("objective", StudyConfig.objective))
    return [
        Entry(name=", ".join(filter(None, (entry.name, name))) or default, study=merge(entry.study, study))
        for entry in config.problems or [Entry(name="")]
        for name, study in crossed
    ]


def check_distinct(kind: str, names: Sequence[str], where: str) -> None:
    """Refuse names that map to the same folder, and names that are too long for a folder.

    Raises:
        InputError: two names do, or a name is.
    """
    slugs = [slug(name) for name in names]
    for name, own in zip(names, slugs, strict=True):
        if slugs.count(own) > 1:
            raise InputError(f"{where}: two {kind}s are called {name!r}; give one another name")
        if (size := len(own.encode(errors="replace"))) > LONGEST:
            shown = f"{name[:SHOWN_CHARACTERS]!r}..."
            raise InputError(
                f"{where}: the name of {kind} {shown} takes {size} bytes, more than {LONGEST}; give a shorter name"
            )


def _check_excluded(kind: str, names: list[str], config: SuiteConfig, where: str) -> None:
    for rule in config.exclude:
        excluded = getattr(rule, kind)
        if excluded is not None and excluded not in names:
            raise UnknownNameError.among(f"{kind} in [[exclude]] of {where}:", excluded, names)


def _plan(
    config: SuiteConfig, optimizer: Entry, problem: Entry, seed: int, where: str, base: Path, overrides: Mapping[str, Any]
) -> Plan:
    written = merge(merge(config.study, problem.study), {**optimizer.study, "seed": seed})
    where = f"{where}: optimizer {optimizer.name!r} on {problem.name!r}"
    study = combined(written, base, overrides, where=where)
    queries = _budgets(study, where, own={*optimizer.study}) * study.budget
    return Plan(optimizer=optimizer.name, problem=problem.name, seed=seed, config=study, queries=queries)


def _budgets(study: StudyConfig, where: str, *, own: Collection[str]) -> int:
    """Return the number of budgets that a study's method spends.

    Limits and rules to stop that all entries share do not concern a method that does not search; its `own` are refused.
    """
    with plugin_of(study):
        try:
            budgets = budgets_spent(study)
            shared: dict[str, Any] = {} if budgets else {key: None for key in ("limits", "stop") if key not in own}
            check_limits(replace(study, **shared))
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
    return budgets


def _excludes(rule: Exclusion, optimizer: str, problem: str) -> bool:
    return rule.optimizer in (None, optimizer) and rule.problem in (None, problem)
