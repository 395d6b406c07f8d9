"""Reads candidates of a study: the first, the best so far, and the answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dfo_prompt.errors import InputError
from dfo_prompt.study.candidates import candidate_hash, read_rows
from dfo_prompt.study.identity import MANIFEST, read_manifest
from dfo_prompt.study.records import CANDIDATES, Account, Record, read_records
from dfo_prompt.study.saved import read_candidate, read_result
from dfo_prompt.types import Vector


def best_so_far(path: Path) -> tuple[Vector, Record]:
    """Return the candidate (d,) with the smallest journaled loss of the study in `path`, finished or not, and its record.

    A candidate whose row was lost is skipped in favour of the next best.

    Raises:
        InputError: `path` is not a study folder, or holds no candidate with a loss.
        StudyError: the journal is damaged.
    """
    best = min(_scored(path), key=lambda scored: (scored[1].loss, scored[1].query), default=None)
    if best is None:
        raise InputError(f"the study in {path} has no candidate with a loss yet; run its command again")
    return best


def journaled_candidate(path: Path) -> tuple[Vector, Record] | None:
    """Return the first candidate (d,) with a loss in the journal of the study in `path`, and its record, if any."""
    return next(_scored(path), None)


@dataclass(frozen=True, kw_only=True)
class StudyAnswer:
    """A study's answer.

    Attributes:
        candidate: (d,) the chosen candidate of a finished study, otherwise the best so far.
        finished: True if the study is finished.
        query: query of the candidate; 0 in a finished study.
        queries: number of journaled queries.
    """

    candidate: Vector
    finished: bool
    query: int
    queries: int


def answer_of(path: Path) -> StudyAnswer:
    """Return the answer of the study in `path`.

    Raises:
        InputError: `path` is not a study folder, or has no answer yet, or a file is damaged.
        StudyError: the journal is damaged.
    """
    read_manifest(path)
    queries = len(read_records(path))
    if read_result(path) is not None:
        return StudyAnswer(candidate=read_candidate(path), finished=True, query=0, queries=queries)
    candidate, record = best_so_far(path)
    return StudyAnswer(candidate=candidate, finished=False, query=record.query, queries=queries)


def _scored(path: Path) -> Iterator[tuple[Vector, Record]]:
    """Yield the candidates with a loss and a row, in the order of queries, and their records."""
    dim = read_manifest(path)["config"].get("dim")
    if not isinstance(dim, int) or dim < 1:
        raise InputError(f"{path / MANIFEST} is damaged: it has no dim")
    rows = read_rows(path / CANDIDATES[Account.QUERIES], dim)
    for record in read_records(path):
        if record.loss is not None and record.query <= len(rows):
            candidate = rows[record.query - 1]
            if candidate_hash(candidate) == record.candidate:
                yield candidate, record
