"""What the studies of a suite ran on: what they share, and in what each entry differs."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from dfo_prompt.config.paths import by_name
from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.damage import reading

DIFFERS = "differs"


def shared_manifest(analysis: Analysis) -> dict[str, Any]:
    """Return what all studies share, of their manifests and of what the suite asks of them; what each entry has besides."""
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
        name: _besides(_shared([config for other, config in configs if other == name]), study)
        for name in dict.fromkeys(name for name, _ in configs)
    }
    return {**made, "git_commits": commits, "suite": suite, "study": study, "entries": entries}


def _shared(values: list[Any], otherwise: Callable[[list[Any]], Any] = lambda _: DIFFERS) -> Any:
    """Return what all values are, of tables key by key; where they are not the same, what `otherwise` makes of them."""
    if all(isinstance(value, dict) for value in values):
        keys = dict.fromkeys(key for value in values for key in value)
        return {key: _shared([value.get(key) for value in values], otherwise) for key in keys}
    return values[0] if all(value == values[0] for value in values) else otherwise(values)


def _each(values: list[Any]) -> str:
    return " or ".join(sorted({str(value) for value in values}))


def _besides(own: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Return the keys in which an entry differs from what all share."""
    found = {
        key: _besides(value, shared[key]) if isinstance(value, dict) and isinstance(shared.get(key), dict) else value
        for key, value in own.items()
        if key not in shared or (value != shared[key] and value != DIFFERS)
    }
    return {key: value for key, value in found.items() if value != {}}
