"""Starts a study from the answer of another study, finished or not."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError
from dfo_prompt.study.best import answer_of
from dfo_prompt.study.candidates import candidate_hash
from dfo_prompt.study.identity import is_study, read_manifest
from dfo_prompt.types import Json

PART = "start_from"
"""The manifest key for the source of x0."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """A configuration with its x0, and the manifest entry for the source of x0."""

    config: StudyConfig
    manifest: Mapping[str, Json]


def start_at(config: StudyConfig, source: Path | None, out: Path | None) -> Start:
    """Return `config` with the answer of the study in `source` as x0; unchanged without a source.

    A study that continues in `out` keeps its original x0, even if the source has continued since.

    Raises:
        InputError: the source has no answer, or its answer does not fit; or the study in `out` started from another study.
    """
    if source is None:
        return Start(config=config, manifest={})
    if config.x0 is not None:
        raise InputError("x0 and start_from are both given; leave one out")
    if out and source.resolve() == out.resolve():
        raise InputError(f"{source} cannot start from itself; choose another --out")
    origin = _origin(source)
    if out and is_study(out):
        before = read_manifest(out)
        about, x0 = before.get(PART), before["config"].get("x0")
        if isinstance(about, dict) and isinstance(x0, list):
            if any(about.get(key, value) != value for key, value in origin.items()):  # earlier versions stored less
                raise InputError(f"the study in {out} started from another study than {source}; choose another --out")
            return Start(config=_with(config, x0, source), manifest={PART: about})
    answer = answer_of(source)
    about = {**origin, "candidate": candidate_hash(answer.candidate), "queries": answer.queries}
    return Start(config=_with(config, answer.candidate.tolist(), source), manifest={PART: about})


def _origin(source: Path) -> dict[str, Json]:
    """Return the name of a study's folder, and a hash of what defines the study, which a larger budget does not change."""
    manifest = read_manifest(source)
    config = {key: value for key, value in manifest["config"].items() if key != "budget"}
    definition = json.dumps([config, manifest["objective"]], sort_keys=True)
    return {"study": source.resolve().name, "definition": hashlib.sha256(definition.encode()).hexdigest()[:16]}


def _with(config: StudyConfig, x0: list[float], source: Path) -> StudyConfig:
    try:
        return replace(config, x0=x0)
    except ValueError as error:
        raise InputError(f"cannot start from {source}: {error}") from error
