"""Places new optimizers beside packed studies: what is left to run, and what must be the same for a fair comparison."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfo_prompt.config.paths import by_name
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError
from dfo_prompt.report.damage import reading
from dfo_prompt.report.evidence import setting_of
from dfo_prompt.report.packed import Packed
from dfo_prompt.report.texts import shortened
from dfo_prompt.study.folder import read_manifest
from dfo_prompt.suite.folder import study_path
from dfo_prompt.suite.plan import Plan, Suite
from dfo_prompt.suite.state import SuiteState, Watcher

SHARED = ("objective", "objective_options", "dim", "budget", "limits", "problem", "prompt")
"""Keys that a new entry shares with the packed ones of its problem, as far as these agree on them."""
EVERY = tuple(StudyConfig.__dataclass_fields__)
OTHER_NAME = "; give the entry another name"
LONGEST_VALUE = 60
"""Characters of a value in an error."""


def only_new(suite: Suite, packed: Packed, *, file: Path, source: Path) -> Suite:
    """Return the suite without the entries that are packed: what is left to run.

    Args:
        suite: of the file.
        packed: studies that stand beside it.
        file: of the suite, for errors.
        source: of the packed studies, for errors.

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
    there = {plan.id: plan for plan in packed.plans}
    instances: dict[tuple[str, int], list[Plan]] = {}
    for plan in packed.plans:
        instances.setdefault((plan.problem, plan.seed), []).append(plan)
    for plan in suite.plans:
        same = plan.id in there
        others = [there[plan.id]] if same else instances.get((plan.problem, plan.seed), [])
        if said := _difference(plan, others, EVERY if same else SHARED):
            raise InputError(f"{file}: of {plan.id} {said} in {source}{OTHER_NAME * same}")
    new = tuple(plan for plan in suite.plans if plan.id not in there)
    if not new:
        raise InputError(f"{file}: all of its optimizers are in {source}, and none is left to run; name one with --add")
    return replace(suite, plans=new)


def comparing(watch: Watcher, folder: Path, suite: Suite, packed: Packed) -> Watcher:
    """Return a watcher that ends a suite in `folder` whose studies see other data than the packed ones of their problem.

    A study's manifest has the fingerprints of its data, task and model before the first query is asked.

    Raises:
        InputError: by what is returned; the difference is named.
    """
    known = {(plan.problem, plan.seed): packed.evidence[plan.id].setting for plan in packed.plans}
    seen: set[str] = set()

    def compare(state: SuiteState) -> None:
        watch(state)
        for study in [study for study in state.running if study not in seen]:
            place, plan = study_path(folder, study), suite.by_id[study]
            if (place / "manifest.json").exists():
                seen.add(study)
                _check_setting(place, known.get((plan.problem, plan.seed), {}), packed.name)

    return compare


def _check_setting(place: Path, there: Mapping[str, Any], source: str) -> None:
    with reading(place):
        here = setting_of(read_manifest(place))
    for key, value in here.items():
        if key in there and there[key] != value:
            raise InputError(f"{place}: its {key} is not that of the packed studies of {source!r}; they cannot be compared")


def _difference(plan: Plan, others: Sequence[Plan], tables: Collection[str]) -> str:
    """Return the first setting in which a study is not like others, which agree on it; "" where there is none."""
    here, there = _flat(plan), [_flat(other) for other in others]
    for key in sorted({*here, *(key for study in there for key in study)}):
        first, *rest = [study.get(key) for study in there] or [here.get(key)]
        agreed = key.partition(".")[0] in tables and all(value == first for value in rest)
        if agreed and here.get(key) != first:
            return f"{key} is {_short(here.get(key))}, and {_short(first)}"
    return ""


def _flat(plan: Plan) -> dict[str, object]:
    """Return the settings of a study by their keys, those of tables with the names of the tables ahead."""
    found: dict[str, object] = {}

    def put(key: str, value: object) -> None:
        if isinstance(value, Mapping) and value:
            for inside, inner in value.items():
                put(f"{key}.{inside}", inner)
        else:
            found[key] = value

    for key, value in by_name(plan.config.as_dict()).items():
        put(key, value)
    return found


def _short(value: object) -> str:
    return shortened(json.dumps(value, ensure_ascii=False, default=str), LONGEST_VALUE)
