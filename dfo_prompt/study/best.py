"""Reads the candidates of a study, the best so far, and its answer."""

from dataclasses import dataclass
from pathlib import Path

from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.study.candidates import candidate_hash, read_rows
from dfo_prompt.study.folder import read_candidate, read_manifest, read_result
from dfo_prompt.study.records import CANDIDATES, Account, Record, read_records
from dfo_prompt.types import Matrix, Vector


def read_candidates(path: Path) -> Matrix:
    """Return the candidates (n, d) that the study in `path` has asked about, row i that of query i + 1.

    The last ones, beyond the journal, are of a batch that was cut off.

    Raises:
        InputError: it is not a study folder.
        StudyError: a file is damaged, or lacks candidates: those of studies by earlier versions, until they are continued.
    """
    records, rows = read_records(path), _rows(path)
    for record in records:
        if not _is_there(record, rows):
            raise StudyError(
                f"{path / CANDIDATES[Account.QUERIES]} is damaged: it lacks the candidate of query {record.query}"
            )
    return rows


def best_so_far(path: Path) -> tuple[Vector, Record]:
    """Return the candidate (d,) with the smallest journaled loss of the study in `path`, finished or not, and its record.

    Where its row in the file of candidates was lost, the next best stands in.

    Raises:
        InputError: it is not a study folder, or no query with a loss has its candidate there.
        StudyError: the journal is damaged.
    """
    rows = _rows(path)
    scored = sorted(
        (record for record in read_records(path) if record.loss is not None), key=lambda record: (record.loss, record.query)
    )
    for record in scored:
        if _is_there(record, rows):
            return rows[record.query - 1], record
    raise InputError(f"the study in {path} has no candidate with a loss yet; run its command again")


def journaled_candidate(path: Path) -> tuple[Vector, Record] | None:
    """Return the first candidate (d,) with a loss in the journal of the study in `path`, and its record, if there is one."""
    rows = _rows(path)
    scored = (record for record in read_records(path) if record.loss is not None and _is_there(record, rows))
    return next(((rows[record.query - 1], record) for record in scored), None)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A study's answer: the chosen candidate (d,) of a finished one, the best so far of any other.

    Attributes:
        query: of the candidate; 0 in a finished study.
        queries: that are journaled.
    """

    candidate: Vector
    finished: bool
    query: int
    queries: int


def answer_of(path: Path) -> Answer:
    """Return the answer of the study in `path`.

    Raises:
        InputError: it is not a study folder, or has no answer yet, or a file is damaged.
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
        raise InputError(f"{path / 'manifest.json'} is damaged: it has no dim")
    return read_rows(path / CANDIDATES[Account.QUERIES], dim)


def _is_there(record: Record, rows: Matrix) -> bool:
    return record.query <= len(rows) and candidate_hash(rows[record.query - 1]) == record.candidate
