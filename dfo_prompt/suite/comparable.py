"""Refuses to compare studies of one problem and seed that used other data, another task or another model."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfo_prompt.errors import InputError
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.suite.folder import study_path
from dfo_prompt.suite.plan import Plan

Fingerprints = Mapping[str, Any]
"""The fingerprints of task, data and model by name and the name of a served model, or else the objective's own fingerprint
(of a service) or name.
"""
FINGERPRINTS = ("task", "data", "drawn", "model")
Instance = tuple[str, int]
"""(problem, seed)."""


def fingerprints_of(manifest: Mapping[str, Any]) -> Fingerprints:
    """Return the part of a manifest that must agree between compared studies of a problem and seed."""
    objective = manifest["objective"]
    setting = {name: objective[key] for name in FINGERPRINTS if (key := f"{name}_fingerprint") in objective}
    if isinstance(endpoint := objective.get("endpoint"), Mapping):
        if "model_fingerprint" in endpoint:
            setting["model"] = endpoint["model_fingerprint"]
        elif served := endpoint.get("served_model") or endpoint.get("model"):
            setting["served model"] = served
    identity = objective.get("fingerprint", manifest["config"].get("objective"))
    return {**setting, "objective": "" if setting else identity}


class Agreement:
    """The settings of compared studies, of which each key has one value."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, Any]] = {}

    def difference(self, study: str, setting: Fingerprints) -> str:
        """Add a study; return "the KEY of STUDY is not that of OTHER" if it differs from an earlier one, else ""."""
        for key, value in setting.items():
            first, expected = self._first.setdefault(key, (study, value))
            if value != expected:
                return f"the {key} of {study} is not that of {first}"
        return ""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Packed studies of another suite that new ones are compared with.

    Attributes:
        name: name of their suite.
        file: their file.
        settings: id and setting of each study, by problem and seed.
    """

    name: str
    file: Path
    settings: Mapping[Instance, Iterable[tuple[str, Fingerprints]]]


class Comparable:
    """Compares each study of a suite with the others and with packed studies, as soon as it has a manifest.

    A manifest holds the fingerprints before the first query, so that a study is refused before it costs much.

    Args:
        folder: suite folder.
        beside: the packed studies, if any.
    """

    def __init__(self, folder: Path, beside: Beside | None = None) -> None:
        self._folder, self._checked = folder, set[str]()
        self._agreed: dict[Instance, Agreement] = {}
        if beside:
            for instance, studies in beside.settings.items():
                for study, setting in studies:
                    self._of(instance).difference(f"{study} of the packed suite {beside.name!r}", setting)

    def check(self, plan: Plan) -> None:
        """Check a study, once; one without a readable manifest passes for now, and the report tells damage.

        Raises:
            InputError: the studies cannot be compared; the message names the difference.
        """
        place = study_path(self._folder, plan.id)
        if plan.id in self._checked or (setting := _read(place)) is None:
            return
        self._checked.add(plan.id)
        if difference := self._of((plan.problem, plan.seed)).difference(plan.id, setting):
            raise InputError(
                f"{difference}: the file, its data or its model were changed, or its entries use different ones; change "
                f"them back and remove {place}, or choose another --out"
            )

    def _of(self, instance: Instance) -> Agreement:
        return self._agreed.setdefault(instance, Agreement())


def _read(place: Path) -> Fingerprints | None:
    with suppress(InputError):
        return fingerprints_of(read_manifest(place))
    return None
