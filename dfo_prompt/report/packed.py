"""Reads and writes packed studies: one file with the evidence of a suite's studies, for comparisons with later suites."""

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from shlex import quote
from typing import Any

from dfo_prompt._util.parsing import STRICT, parse, plain_copy, tables
from dfo_prompt._util.reading import read_bytes, unique_keys
from dfo_prompt.config.paths import by_name
from dfo_prompt.config.study import STUDY
from dfo_prompt.errors import InputError
from dfo_prompt.report.damage import reading
from dfo_prompt.report.evidence import Evidence, checked
from dfo_prompt.suite.comparable import Beside, Fingerprints, Instance
from dfo_prompt.suite.folder import is_suite
from dfo_prompt.suite.plan import Plan, Suite

PACKED = "studies.json.gz"
"""The file's name in a report folder."""
FORMAT = 1
MOST_BYTES = 2**29
"""The largest size of the unpacked text."""


@dataclass(frozen=True, kw_only=True)
class PackedStudy:
    """A planned study and its evidence."""

    __pydantic_config__ = STRICT

    plan: Plan
    evidence: Evidence


@dataclass(frozen=True, kw_only=True)
class Packed:
    """The packed studies of a suite.

    Attributes:
        name: the name of the suite.
        threads: the threads of each study; see `SuiteSettings`.
    """

    __pydantic_config__ = STRICT

    format: int
    name: str
    threads: int | None
    studies: tuple[PackedStudy, ...]

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"format: {self.format} is of another version of dfo-prompt; this one reads {FORMAT}")
        if not self.studies:
            raise ValueError("studies: there are none")

    @property
    def plans(self) -> tuple[Plan, ...]:
        """Return the plans of the studies."""
        return tuple(study.plan for study in self.studies)

    @cached_property
    def evidence(self) -> dict[str, Evidence]:
        """Return the evidence of each study, by id."""
        return {study.plan.id: study.evidence for study in self.studies}

    def beside(self, file: Path) -> Beside:
        """Return the settings that new studies are compared with; `file` holds these studies."""
        settings: dict[Instance, list[tuple[str, Fingerprints]]] = {}
        for plan in self.plans:
            settings.setdefault((plan.problem, plan.seed), []).append((plan.id, self.evidence[plan.id].setting))
        return Beside(name=self.name, file=file, settings=settings)


def packed_bytes(suite: Suite, evidence: Mapping[str, Evidence]) -> bytes:
    """Return the file's content: gzipped JSON, byte-equal for equal studies, with names instead of paths."""
    studies = [{"plan": by_name(_plain(plan)), "evidence": vars(evidence[plan.id])} for plan in suite.plans]
    settings = suite.settings
    data = {"format": FORMAT, "name": settings.name, "threads": settings.threads, "studies": studies}
    return gzip.compress(json.dumps(data, separators=(",", ":")).encode(), compresslevel=9, mtime=0)


def packed_file(path: Path) -> Path:
    """Return the file of packed studies: `path` itself, or the file in the report folder `path`."""
    return path / PACKED if path.is_dir() else path


def read_packed(path: Path) -> Packed:
    """Return the packed studies in the file or report folder `path`.

    Raises:
        InputError: the file does not exist or is damaged, or `path` is a suite folder.
    """
    if is_suite(path):
        raise InputError(
            f"{path} is a suite folder; write its report first (dfo-prompt suite report {quote(str(path))}), and give "
            f"{path / 'report'}"
        )
    file = packed_file(path)
    data = read_bytes(file)
    with reading(file):
        packed = parse(Packed, json.loads(_unpacked(data), object_pairs_hook=unique_keys), where=str(file))
        for study in packed.studies:
            _check(study, f"{file}: {study.plan.id}")
    return packed


def _plain(value: Any) -> dict[str, Any]:
    data: dict[str, Any] = plain_copy(tables(value))
    return data


def _unpacked(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as file:
            text = file.read(MOST_BYTES + 1)
    except (EOFError, zlib.error) as error:
        raise ValueError(str(error)) from error
    if len(text) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
    return text


def _check(study: PackedStudy, where: str) -> None:
    """Check that the parts of a study's evidence are consistent.

    Raises:
        InputError: they are not.
    """
    evidence = study.evidence
    checked(evidence.figures, where)
    improved, losses = evidence.improved, evidence.losses
    if not {"finished", "queries"} <= evidence.figures.keys() or not isinstance(evidence.figures["queries"], int):
        raise InputError(f"{where} is damaged: it does not say how far it came")
    rising = all(earlier < later for earlier, later in zip((0, *improved), (*improved, evidence.queries + 1), strict=True))
    falling = all(earlier > later for earlier, later in pairwise(losses))
    if len(improved) != len(losses) or not rising or not falling:
        raise InputError(f"{where} is damaged: its curve is none")
    if study.plan.config.method == STUDY and evidence.queries > study.plan.config.budget:
        raise InputError(f"{where} is damaged: its curve is longer than its budget")
