"""The manifest of a study, and the comparison that decides whether a folder holds the same study."""

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from dfo_prompt._util.json_files import read_json
from dfo_prompt._util.parsing import plain_copy
from dfo_prompt.config.endpoint import PRACTICAL
from dfo_prompt.config.paths import by_name
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError
from dfo_prompt.types import Json

MANIFEST = "manifest.json"
IDENTITY = ("config", "objective")
CODE = "code"
"""A further part of the identity; manifests of earlier versions lack it."""
LONGEST_VALUE = 60
"""The most characters of a value in an error."""
MEASURED = ("dtype_spearman", "engine", "rows", "endpoint_probe")
"""Metadata of an objective that may vary between runs and is not compared; the rows themselves have a fingerprint."""
PLACES = ("device", "dtype")
"""Metadata of an objective that affects its losses slightly, but not the meaning of a candidate."""
REMOTE, CONNECTION = "remote", ("url", "token_file", "timeout", "patience")
"""The objective that a service evaluates, and its options that do not affect results: the service tells a fingerprint."""


def is_study(path: Path) -> bool:
    """Tell whether `path` is a study folder."""
    return (path / MANIFEST).exists()


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of the study in `path`.

    Raises:
        InputError: the manifest is missing or damaged.
    """
    manifest = read_json(path / MANIFEST, missing=f"{path} is not a study folder: it has no {MANIFEST}")
    for part in (*IDENTITY, CODE):
        if not isinstance(manifest.get(part, {} if part == CODE else None), dict):
            raise InputError(f"{path / MANIFEST} is damaged: it has no {part}")
    return manifest


def check_config(path: Path, config: Mapping[str, Json]) -> None:
    """Refuse a folder that holds a study with another configuration; a folder without a manifest passes.

    Raises:
        InputError: the configurations differ; the message names the difference.
    """
    if is_study(path):
        check_parts(path, read_manifest(path), {"config": config})


def check_objective(path: Path, about: Mapping[str, Json], *, remedy: str = "its candidates mean nothing here") -> None:
    """Refuse to use what the study in `path` found with another objective; device and precision may differ.

    Raises:
        InputError: the objectives differ; the message names the difference.
    """
    stored = read_manifest(path)["objective"]
    current = {key: stored[key] if key in PLACES else about.get(key) for key in stored}
    check_parts(path, {"objective": stored}, {"objective": current}, remedy=remedy)


def check_parts(
    path: Path, stored: Mapping[str, Any], current: Mapping[str, Any], *, remedy: str = "choose another --out"
) -> None:
    """Refuse a manifest `current` that describes another study than `stored`, comparing only the parts in `current`.

    Raises:
        InputError: the manifests differ; the message names the first different key, and the budget, which may be raised,
            only if nothing else differs.
    """
    differences = sorted(_differences(stored, current), key=lambda difference: difference[:2] == ("config", "budget"))
    if differences:
        part, key, old, new = differences[0]
        way = remedy if part != CODE else f"go back to that, or --start-from {path} with another --out"
        raise InputError(f"{path} holds another study: {key} is {_short(old)} there and {_short(new)} here; {way}")


def lasting(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a study without those of an endpoint or a service that do not affect results.

    Other parts of a manifest are returned unchanged.
    """
    practical = {"endpoint": PRACTICAL, "objective_options": CONNECTION if settings.get("objective") == REMOTE else ()}
    return {name: _without(value, practical.get(name, ())) for name, value in settings.items()}


def _differences(stored: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield the part, the key and both values of each difference between manifests, in the parts of `current`."""
    for part in [part for part in (*IDENTITY, CODE) if part in current and (part in stored or part != CODE)]:
        if stored.get(part) == current[part]:
            continue
        old, new = (lasting(by_name(manifest.get(part, {}))) for manifest in (stored, plain_copy(current)))
        if part == "config":
            old = dict(_filled(old, new, StudyConfig().as_dict()))
        known = {*old} if part == CODE else {*old, *new}  # earlier versions did not list all code
        for key in sorted(known - {*MEASURED}):
            yield from ((part, *difference) for difference in _unequal(key, old.get(key), new.get(key)))


def _unequal(key: str, old: Any, new: Any) -> list[tuple[str, Any, Any]]:
    """Return the dotted key and both values of each difference between two values."""
    # As sorted JSON, NaN equals NaN, and tables are equal whatever the order of their keys.
    if json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True):
        return []
    within = []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = sorted({*old, *new})
        within = [item for inner in keys for item in _unequal(f"{key}.{inner}", old.get(inner), new.get(inner))]
    return within or [(key, old, new)]


def _without(value: Any, keys: Collection[str]) -> Any:
    return {key: value[key] for key in value if key not in keys} if isinstance(value, Mapping) else value


def _filled(old: Mapping[str, Any], new: Mapping[str, Any], defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `old` with the keys that its version did not have yet, if `new` leaves them at their defaults."""
    added = {key: value for key, value in new.items() if key not in old and key in defaults and value == defaults[key]}
    tables = {key for key in old if all(isinstance(table.get(key), Mapping) for table in (old, new, defaults))}
    return {**old, **added, **{key: _filled(old[key], new[key], defaults[key]) for key in tables}}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
