"""Rows of local files: CSV, TSV, JSONL, or one text file an example in folders named after the classes."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dfo_prompt.errors import DataError

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*DELIMITERS, ".jsonl")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a data set: its cells by column, and the place that errors name."""

    place: str
    cells: Mapping[str, str]


def find_split(folder: Path, *stems: str) -> Path | None:
    """Return the data file in `folder` with the first of `stems` that any has, or None.

    Raises:
        DataError: two files have the stem.
    """
    for stem in stems:
        found = [file for suffix in SUFFIXES if stem and (file := folder / f"{stem}{suffix}").is_file()]
        if len(found) > 1:
            raise DataError(f"{folder} holds {found[0].name} and {found[1].name}; keep one of them")
        if found:
            return found[0]
    return None


def read_rows(path: Path, *, encoding: str) -> Iterator[Row]:
    """Read a CSV or TSV file with a header line, or a JSONL file with an object a line.

    Raises:
        DataError: the file is missing, empty, of another kind or in another encoding, or a line is malformed.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: unknown kind of data file; known: {', '.join(SUFFIXES)}")
    text = decode(_read(path), encoding=encoding, path=path)
    if not text.strip():
        raise DataError(f"{path} is empty")
    yield from _jsonl(text, path) if suffix == ".jsonl" else _table(text, path, DELIMITERS[suffix])


def read_class_folders(folder: Path, *, encoding: str, first_line: bool) -> Iterator[Row]:
    """Read folder/CLASS/*.txt as rows with the columns "label" and "text".

    Raises:
        DataError: there is no such file, or one is in another encoding.
    """
    documents = sorted(folder.glob("*/*.txt"))
    if not documents:
        raise DataError(f"{folder} holds neither train{'/'.join(SUFFIXES)} nor class folders of .txt files")
    for path in documents:
        # Cut before decoding: what is not used need not be sound.
        data = _read(path).split(b"\n", 1)[0] if first_line else _read(path)
        yield Row(place=str(path), cells={"label": path.parent.name, "text": decode(data, encoding=encoding, path=path)})


def decode(data: bytes, *, encoding: str, path: Path) -> str:
    """Decode the content of `path`, a byte order mark left out.

    Raises:
        DataError: it is in another encoding, or the encoding is unknown.
    """
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: byte {error.start} is not {encoding}; save the file as {encoding},"
            " or set encoding in [data] of the task"
        ) from error
    except LookupError as error:
        raise DataError(f"{error}; set encoding in [data] of the task to one that Python knows") from error


def cell(value: object) -> str:
    """Return a value of a JSON or hub row as the text it would be in a CSV file."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _jsonl(text: str, path: Path) -> Iterator[Row]:
    # Not splitlines(), which also breaks at characters that JSON allows inside a string.
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        place = f"{path}, line {number}"
        if not line.strip():
            raise DataError(f"{place} is empty; remove it")
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{place} is not valid JSON: {error}") from error
        if not isinstance(record, dict):
            raise DataError(f"{place} is not a JSON object")
        yield Row(place=place, cells={key: cell(value) for key, value in record.items()})


def _table(text: str, path: Path, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    while True:
        place = f"{path}, line {reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"{place} is malformed: {error}") from error
        if not cells:
            raise DataError(f"{place} is empty; remove it")
        if header and len(cells) != len(header):
            raise DataError(
                f"{place} has {len(cells)} cells, the header has {len(header)}; quote cells that hold the delimiter"
            )
        if header:
            yield Row(place=place, cells=dict(zip(header, cells, strict=True)))
        header = header or cells
