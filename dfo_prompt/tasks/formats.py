"""Rows of a file: CSV, TSV, JSON, JSONL or Parquet, gzipped or not."""

import codecs
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dfo_prompt._util.reading import read_bytes, unique_keys
from dfo_prompt.errors import DataError, InputError
from dfo_prompt.tasks.rows import Row, cell
from dfo_prompt.tasks.tables import LINE_END, TABLES, read_table

GZIP = ".gz"
KINDS = (*TABLES, ".jsonl", ".json", ".parquet")
"""Suffixes of files that are read, each with or without ".gz" behind it."""
# Those of UTF-32 first: one begins with one of UTF-16.
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def kind_of(path: Path) -> str:
    """Return the suffix that tells what a file holds, in small letters; of a gzipped one, that of what is inside."""
    inner = path.with_suffix("") if path.suffix.lower() == GZIP else path
    return inner.suffix.lower()


def read_rows(path: Path, *, encoding: str, header: Sequence[str] = (), delimiter: str = "") -> Iterator[Row]:
    """Read a file of one of `KINDS`.

    Args:
        path: of the file.
        encoding: of its text, unless a byte order mark says more.
        header: names of the columns, of a table without a header line.
        delimiter: of a table; by default that of its suffix, or another by which its lines have as many cells.

    Raises:
        DataError: the file is missing, empty, of another kind or in another encoding, or a row is malformed.
        InputError: an extra is missing.
    """
    kind = kind_of(path)
    if kind not in KINDS:
        raise DataError(f"{path}: unknown kind of data file; known: {', '.join(KINDS)}, and these with {GZIP}")
    data = _unpacked(path)
    if kind == ".parquet":
        yield from _parquet(data, path)
        return
    text = decode(data, encoding=encoding, path=path)
    if not text.strip():
        raise DataError(f"{path} is empty")
    if kind in TABLES:
        yield from read_table(text, path, suffix=kind, header=header, delimiter=delimiter)
    else:
        yield from _jsonl(text, path) if kind == ".jsonl" else _json(text, path)


def decode(data: bytes, *, encoding: str, path: Path) -> str:
    """Decode the content of `path`; a byte order mark says more than `encoding`, and is left out.

    Raises:
        DataError: it is in another encoding, holds NUL bytes, or the encoding is unknown.
    """
    encoding = MARKS.get(mark_of(data), encoding)
    remedy = f"save the file as {encoding}, or set encoding in [data] of the task"
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: byte {error.start} is not {encoding}; {remedy}") from error
    except (LookupError, ValueError) as error:  # "undefined" is a name that Python knows, of a codec that always fails
        raise DataError(f"{path}: {error}; set encoding in [data] of the task to one that Python knows") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}, line {line} holds a NUL byte, as UTF-16 and binary files do; {remedy}")
    return text


def mark_of(data: bytes) -> bytes:
    """Return the byte order mark that data begin with, if any."""
    return next((mark for mark in MARKS if data.startswith(mark)), b"")


def _unpacked(path: Path) -> bytes:
    data = read_bytes(path, kind=DataError)
    if path.suffix.lower() != GZIP:
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a sound gzip file: {error}") from error


def _parquet(data: bytes, path: Path) -> Iterator[Row]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise InputError(
            f"reading {path.name} needs an extra: pip install 'dfo-prompt[parquet]'; or save it as .csv"
        ) from error
    try:
        records = parquet.read_table(pa.BufferReader(data)).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is not a sound Parquet file: {' '.join(str(error).split())}") from error
    for number, record in enumerate(records, start=1):
        yield _row(record, f"{path}, row {number}")


def _json(text: str, path: Path) -> Iterator[Row]:
    """Read an array of objects, or a table with one such array; or lines of objects, which bear this suffix, too."""
    try:
        found = _loads(text)
    except (ValueError, RecursionError) as error:
        if LINE_END.search(text.strip()) and text.lstrip().startswith("{"):
            yield from _jsonl(text, path)
            return
        raise DataError(f"{path} is not valid JSON: {error}") from error
    if isinstance(found, Mapping):
        arrays = [value for value in found.values() if isinstance(value, list)]
        found = arrays[0] if len(arrays) == 1 else [found]
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise DataError(f"{path} holds no array of JSON objects; write it so (pandas: orient='records'), or as .jsonl")
    for number, record in enumerate(found, start=1):
        yield _row(record, f"{path}, item {number}")


def _jsonl(text: str, path: Path) -> Iterator[Row]:
    # Not splitlines(), which also breaks at characters that JSON allows inside a string.
    for number, line in enumerate(LINE_END.split(text.rstrip("\r\n")), start=1):
        place = f"{path}, line {number}"
        if not line.strip():
            raise DataError(f"{place} is empty; remove it")
        try:
            record = _loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{place} is not valid JSON: {error}") from error
        if not isinstance(record, dict):
            raise DataError(f"{place} is not a JSON object")
        yield _row(record, place)


def _row(record: Mapping[str, Any], place: str) -> Row:
    return Row(place=place, cells={key: cell(value) for key, value in record.items()})


def _loads(text: str) -> Any:
    return json.loads(text, object_pairs_hook=unique_keys, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no value of JSON")
