"""Reads the candidates of a study: all of them, the best so far, and the answer."""

from dataclasses import dataclass
from pathlib import Path

from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.study.candidates import candidate_hash, read_rows
from dfo_prompt.study.identity import MANIFEST, read_manifest
from dfo_prompt.study.records import CANDIDATES, Account, Record, read_records
from dfo_prompt.study.saved import read_candidate, read_result
from dfo_prompt.types import Matrix, Vector


def read_candidates(path: Path) -> Matrix:
    """Return the candidates (n, d) of the study in `path`; row i is that of query i + 1.

    Rows beyond the journal belong to a batch that was cut off.

    Raises:
        InputError: `path` is not a study folder.
        StudyError: a file is damaged, or lacks candidates, as those of earlier versions do until the study is continued.
    """
    records, rows = read_records(path), _rows(path)
    for record in records:
        if not _has_row(record, rows):
            raise StudyError(
                f"{path / CANDIDATES[Account.QUERIES]} is damaged: it lacks the candidate of query {record.query}"
            )
    return rows


def best_so_far(path: Path) -> tuple[Vector, Record]:
    """Return the candidate (d,) with the smallest journaled loss of the study in `path`, finished or not, and its record.

    A candidate whose row was lost is skipped in favour of the next best.

    Raises:
        InputError: `path` is not a study folder, or holds no candidate with a loss.
        StudyError: the journal is damaged.
    """
    rows = _rows(path)
    scored = sorted(
        (record for record in read_records(path) if record.loss is not None), key=lambda record: (record.loss, record.query)
    )
    for record in scored:
        if _has_row(record, rows):
            return rows[record.query - 1], record
    raise InputError(f"the study in {path} has no candidate with a loss yet; run its command again")


def journaled_candidate(path: Path) -> tuple[Vector, Record] | None:
    """Return the first candidate (d,) with a loss in the journal of the study in `path`, and its record, if any."""
    rows = _rows(path)
    scored = (record for record in read_records(path) if record.loss is not None and _has_row(record, rows))
    return next(((rows[record.query - 1], record) for record in scored), None)


@dataclass(frozen=True, kw_only=True)
class Answer:
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


def answer_of(path: Path) -> Answer:
    """Return the answer of the study in `path`.

    Raises:
        InputError: `path` is not a study folder, or has no answer yet, or a file is damaged.
        StudyError: the journal is damaged.
    """
    read_manifest(path)
    queries = len(read_records(path))
    if read_result(path) is not None:
        return Answer(candidate=read_candidate(path), finished=True, query=0, queries=queries)
    candidate, record = best_so_far(path)
    return Answer(candidate=candidate, finished=False, query=record.query, queries=queries)


def _rows(path: Path) -> Matrix:
    dim = read_manifest(path)["config"].get("dim")
    if not isinstance(dim, int) or dim < 1:
        raise InputError(f"{path / MANIFEST} is damaged: it has no dim")
    return read_rows(path / CANDIDATES[Account.QUERIES], dim)


def _has_row(record: Record, rows: Matrix) -> bool:
    return record.query <= len(rows) and candidate_hash(rows[record.query - 1]) == record.candidate
