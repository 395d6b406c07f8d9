"""Selects the studies that are left to run beside packed ones, and checks that their settings agree."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfo_prompt.config.paths import by_name
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError
from dfo_prompt.report.packed import Packed
from dfo_prompt.report.texts import truncated
from dfo_prompt.study.identity import lasting
from dfo_prompt.suite.comparable import Instance
from dfo_prompt.suite.fair import check_budgets, check_losses
from dfo_prompt.suite.plan import Plan, Suite

SHARED = ("objective", "objective_options", "dim", "budget", "limits", "stop", "problem", "prompt", "endpoint")
"""Settings that a new entry must share with the packed studies of its problem, where these agree on them."""
EVERY = tuple(StudyConfig.__dataclass_fields__)
OTHER_NAME = "; give the entry another name"
LONGEST_VALUE = 60
"""The most characters of a value in an error message."""


def only_new(suite: Suite, packed: Packed, *, file: Path, source: Path) -> Suite:
    """Return the suite without the studies whose results are packed: those that are left to run.

    Args:
        suite: the suite as `file` defines it.
        packed: the packed studies to compare with.
        file: the suite's file, for error messages.
        source: the file of the packed studies, for error messages.

    Raises:
        InputError: problems, seeds, budgets or other settings differ from those of the packed studies, or nothing is left.
    """
    for key, ours, theirs in (
        ("threads", [suite.settings.threads], [packed.threads]),
        ("problems", sorted({plan.problem for plan in suite.plans}), sorted({plan.problem for plan in packed.plans})),
        ("seeds", sorted({plan.seed for plan in suite.plans}), sorted({plan.seed for plan in packed.plans})),
    ):
        if ours != theirs:
            raise InputError(f"{file}: its {key} are {_short(ours)}, and {_short(theirs)} in {source}")
    packed_by_id = {plan.id: plan for plan in packed.plans}
    instances: dict[Instance, list[Plan]] = {}
    for plan in packed.plans:
        instances.setdefault((plan.problem, plan.seed), []).append(plan)
    for plan in suite.plans:
        same = plan.id in packed_by_id
        references = [packed_by_id[plan.id]] if same else instances.get((plan.problem, plan.seed), [])
        if difference := _difference(plan, references, EVERY if same else SHARED):
            key, values = difference
            raise InputError(f"{file}: of {plan.id} {key} {values} in {source}{OTHER_NAME * (_table(key) not in SHARED)}")
    files = {plan.config.plugin.name: plan.config.plugin for plan in suite.plans if plan.config.plugin}
    together = [_by_name(plan, files) for plan in (*packed.plans, *suite.plans)]
    check_losses(together, suite.settings.measure, f"{file} beside {source}")
    check_budgets(together, f"{file} beside {source}")
    new = tuple(plan for plan in suite.plans if plan.id not in packed_by_id or not packed.evidence[plan.id].finished)
    if not new:
        raise InputError(f"{file}: all of its optimizers are in {source}, and none is left to run; name one with --add")
    return replace(suite, plans=new)


def _by_name(plan: Plan, files: Mapping[str, Path]) -> Plan:
    """Return the plan with the names of the files in its objective's options, since packed studies have no folders.

    The plugin file of the same name in `files` replaces its own, which may not exist here.
    """
    config, plugin = plan.config, plan.config.plugin
    options = by_name(config.as_dict())["objective_options"]
    return replace(plan, config=replace(config, objective_options=options, plugin=plugin and files.get(plugin.name, plugin)))


def _difference(plan: Plan, references: Sequence[Plan], tables: Collection[str]) -> tuple[str, str] | None:
    """Return the first key on which the references agree and the study differs, with a text on the values, or None."""
    own, settings = _flat(plan), [_flat(reference) for reference in references]
    for key in sorted({*own, *(key for study in settings for key in study)}):
        first, *rest = [study.get(key) for study in settings] or [own.get(key)]
        agreed = _table(key) in tables and all(value == first for value in rest)
        if agreed and own.get(key) != first:
            if key not in own or key not in settings[0]:  # one has no such table, or an option less
                ours, theirs = (_set(study, _table(key)) for study in (plan, references[0]))
                return _table(key), f"is {_short(ours)}, and {_short(theirs)}"
            return key, f"is {_short(own.get(key))}, and {_short(first)}"
    return None


def _set(plan: Plan, table: str) -> object:
    """Return a table of a study without its null values, or null."""
    value = _settings(plan).get(table)
    return {key: inner for key, inner in value.items() if inner is not None} if isinstance(value, Mapping) else value


def _table(key: str) -> str:
    """Return the part of a dotted key before its first dot."""
    return key.partition(".")[0]


def _flat(plan: Plan) -> dict[str, object]:
    """Return the settings of a study by dotted key, such as `prompt.tokens`."""
    flat: dict[str, object] = {}

    def put(key: str, value: object) -> None:
        if isinstance(value, Mapping) and value:
            for inside, inner in value.items():
                put(f"{key}.{inside}", inner)
        else:
            flat[key] = value

    for key, value in _settings(plan).items():
        put(key, value)
    return flat


def _settings(plan: Plan) -> dict[str, Any]:
    return lasting(by_name(plan.config.as_dict()))


def _short(value: object) -> str:
    return truncated(json.dumps(value, ensure_ascii=False, default=str), LONGEST_VALUE)
