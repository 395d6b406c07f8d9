"""Ends a suite when a study uses other data, another task or another model than the others of its problem and seed."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfo_prompt.errors import InputError
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.suite.folder import study_path
from dfo_prompt.suite.plan import Plan

Setting = Mapping[str, Any]
"""The fingerprints of data, task and model by name, or else the name of the objective."""


def setting_of(manifest: Mapping[str, Any]) -> Setting:
    """Return the fingerprints, by name, that must agree between compared studies of a problem and seed."""
    objective = manifest["objective"]
    named = {key.removesuffix("_fingerprint"): value for key, value in objective.items() if key.endswith("_fingerprint")}
    return {**named, "objective": "" if named else manifest["config"]["objective"]}  # language models have fingerprints


def difference(setting: Setting, expected: Setting) -> str:
    """Return the first fingerprint that both have and that differs, or ""."""
    return next((key for key in setting if key in expected and setting[key] != expected[key]), "")


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Packed studies of another suite that new ones are compared with.

    Attributes:
        name: name of their suite.
        file: their file.
        settings: their settings by problem and seed.
    """

    name: str
    file: Path
    settings: Mapping[tuple[str, int], Setting]


class Comparable:
    """Checks each new study against the finished and the packed studies of its problem and seed.

    A manifest holds the fingerprints before the first query, so that a study is refused before it costs much.

    Args:
        folder: suite folder.
        finished: studies of the folder that have a result.
        beside: the packed studies, if any.
    """

    def __init__(self, folder: Path, finished: Iterable[Plan], beside: Beside | None) -> None:
        self._folder, self._beside = folder, beside
        self._finished: dict[tuple[str, int], list[Plan]] = {}
        for plan in finished:
            self._finished.setdefault((plan.problem, plan.seed), []).append(plan)
        self._first: dict[tuple[str, int], tuple[str, Setting]] = {}
        self._checked: set[str] = set()

    def check(self, plan: Plan) -> None:
        """Check a study, once; one that has no manifest yet passes for now.

        Raises:
            InputError: the studies cannot be compared; the message names the difference.
        """
        if plan.id in self._checked or self._setting(plan) is None:
            return
        self._checked.add(plan.id)
        for other in [*self._finished.pop((plan.problem, plan.seed), []), plan]:
            if setting := self._setting(other):
                self._compare(other, setting)

    def _setting(self, plan: Plan) -> Setting | None:
        """Return the setting of a study; None without a readable manifest, which the report tells."""
        with suppress(InputError):
            return setting_of(read_manifest(study_path(self._folder, plan.id)))
        return None

    def _compare(self, plan: Plan, setting: Setting) -> None:
        instance = (plan.problem, plan.seed)
        if self._beside and (key := difference(setting, self._beside.settings.get(instance, {}))):
            packed = f"the packed studies of {self._beside.name!r}"
            raise InputError(f"{self._folder}: the {key} of {plan.id} is not that of {packed}; they cannot be compared")
        first, expected = self._first.setdefault(instance, (plan.id, setting))
        if key := difference(setting, expected):
            raise InputError(
                f"{self._folder}: the {key} of {plan.id} is not that of {first}: it was changed between two runs; choose "
                "another --out, since they cannot be compared"
            )
