"""Records: the outcomes of evaluations, and their lines in a journal."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from dfo_prompt._util.parsing import STRICT, Finite, parse
from dfo_prompt.errors import InputError
from dfo_prompt.study.journal import Line, damaged, read_lines, read_raw
from dfo_prompt.types import Matrix, Vector


class Account(StrEnum):
    """The accounts that evaluations are charged to."""

    QUERIES = "queries"
    VALIDATION = "validation"


FILES = {Account.QUERIES: "journal.jsonl", Account.VALIDATION: "validation.jsonl"}
CANDIDATES = {Account.QUERIES: "candidates.f64", Account.VALIDATION: "validation.f64"}
OUTPUTS = "outputs.f64"
ANSWERS = "answers"
"""The folder of the answers that a method without a journal keeps."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """The outcome of one evaluation.

    Attributes:
        query: number of the query, from 1; on the second account, the number of queries spent so far.
        candidate: hash of z; "" for the hand-written prompt.
        status: "ok", "nonfinite", or "error: ..." with the exception that the objective raised.
        loss: None unless the status is "ok".
        metrics: further figures of the objective; None if not finite.
        split: split that the candidate was scored on.
        role: role of the candidate on the second account: "best", "recommended" or "baseline".
        outputs: hash of the query's row in the output file; "" without outputs.
    """

    __pydantic_config__ = STRICT

    query: int
    candidate: str
    status: str = "ok"
    loss: Finite | None = None
    metrics: Mapping[str, Finite | None] = field(default_factory=dict)
    split: str = "train"
    role: str = ""
    outputs: str = ""

    @property
    def account(self) -> Account:
        """Return the account that the evaluation was charged to."""
        return Account.VALIDATION if self.role else Account.QUERIES

    @property
    def raised(self) -> bool:
        """Tell whether the objective raised."""
        return self.status.startswith("error")


_RECORD = TypeAdapter(Record)
"""Parses a line as it stands, in a tenth of the time of `record_of`, whose errors are better."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Evaluated candidates (B, d), their records, and their outputs (B, M) if the study stores them."""

    candidates: Matrix
    records: tuple[Record, ...]
    outputs: Matrix | None = None


def joined(parts: Sequence[Outcome]) -> Outcome | None:
    """Concatenate the outcomes of a batch's parts; None without parts."""
    if len(parts) <= 1:
        return parts[0] if parts else None
    outputs = [part.outputs for part in parts if part.outputs is not None]
    return Outcome(
        candidates=np.concatenate([part.candidates for part in parts]),
        records=tuple(record for part in parts for record in part.records),
        outputs=np.concatenate(outputs) if outputs else None,
    )


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The record of a candidate, and its outputs (M,) if the study stores them; NaN outputs if it failed."""

    record: Record
    outputs: Vector | None = None


def line_of(record: Record) -> Line:
    """Return the journal line of a record."""
    line = asdict(record)
    if not record.role:
        del line["split"], line["role"]
    if not record.outputs:
        del line["outputs"]
    return line


def record_of(line: Line, where: Path, number: int) -> Record:
    """Return the record in line `number`, counted from 1, of the journal `where`.

    Raises:
        StudyError: the line is no record, or out of order.
    """
    try:
        record = parse(Record, line, where="")
    except InputError as error:
        raise damaged(where, number, str(error).removeprefix(": ")) from error
    if not record.role and record.query != number:
        raise damaged(where, number, f"it is of query {record.query}")
    return record


def read_records(folder: Path, account: Account = Account.QUERIES) -> list[Record]:
    """Return the records that the study in `folder` has journaled so far on `account`.

    Raises:
        StudyError: a journal is damaged.
    """
    path = folder / FILES[account]
    try:
        records = [_RECORD.validate_json(line) for line in read_raw(path)]
    except ValidationError:  # a damaged line, or one with text that is no Unicode
        records = []
    if records and all(record.role or record.query == number for number, record in enumerate(records, start=1)):
        return records
    return [record_of(line, path, number) for number, line in enumerate(read_lines(path), start=1)]
