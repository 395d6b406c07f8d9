"""Summarizes the manifests of a suite's studies: shared settings, and the differences of each entry."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from dfo_prompt.config.paths import by_name
from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.damage import reading

DIFFERS = "differs"


def shared_manifest(analysis: Analysis) -> dict[str, Any]:
    """Return the environment and settings that all studies share, and the differing settings of each entry."""
    with reading(analysis.findings.folder):
        return _manifest(analysis)


def _manifest(analysis: Analysis) -> dict[str, Any]:
    manifests = [study.made for study in analysis.findings.evidence.values() if study.finished]
    made = _shared([{key: manifest.get(key) for key in ("versions", "machine")} for manifest in manifests] or [{}], _each)
    commits = sorted({str(manifest["git_commit"]) for manifest in manifests if manifest.get("git_commit")})
    suite = asdict(analysis.suite.settings)
    configs = [(plan.optimizer, by_name(plan.config.as_dict())) for plan in analysis.suite.plans]
    study = _shared([config for _, config in configs])
    entries = {
        name: _besides(_shared([config for entry, config in configs if entry == name]), study)
        for name in dict.fromkeys(name for name, _ in configs)
    }
    return {**made, "git_commits": commits, "suite": suite, "study": study, "entries": entries}


def _shared(values: list[Any], otherwise: Callable[[list[Any]], Any] = lambda _: DIFFERS) -> Any:
    """Return the common value of all values, tables key by key, and `otherwise(values)` where they differ."""
    if all(isinstance(value, dict) for value in values):
        keys = dict.fromkeys(key for value in values for key in value)
        return {key: _shared([value.get(key) for value in values], otherwise) for key in keys}
    return values[0] if all(value == values[0] for value in values) else otherwise(values)


def _each(values: list[Any]) -> str:
    return " or ".join(sorted({str(value) for value in values}))


def _besides(own: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of an entry that are not among the shared ones."""
    differences = {
        key: _besides(value, shared[key]) if isinstance(value, dict) and isinstance(shared.get(key), dict) else value
        for key, value in own.items()
        if key not in shared or (value != shared[key] and value != DIFFERS)
    }
    return {key: value for key, value in differences.items() if value != {}}
