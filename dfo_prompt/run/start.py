"""Starts a study from the answer of another study, finished or not."""

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
        InputError: the source has no answer, or its answer does not fit.
    """
    if source is None:
        return Start(config=config, manifest={})
    if config.x0 is not None:
        raise InputError("x0 and start_from are both given; leave one out")
    if out and source.resolve() == out.resolve():
        raise InputError(f"{source} cannot start from itself; choose another --out")
    if out and is_study(out):
        before = read_manifest(out)
        about, x0 = before.get(PART), before["config"].get("x0")
        if isinstance(about, dict) and about.get("study") == source.resolve().name and isinstance(x0, list):
            return Start(config=_with(config, x0, source), manifest={PART: about})
    answer = answer_of(source)
    about = {"study": source.resolve().name, "candidate": candidate_hash(answer.candidate), "queries": answer.queries}
    return Start(config=_with(config, answer.candidate.tolist(), source), manifest={PART: about})


def _with(config: StudyConfig, x0: list[float], source: Path) -> StudyConfig:
    try:
        return replace(config, x0=x0)
    except ValueError as error:
        raise InputError(f"cannot start from {source}: {error}") from error
