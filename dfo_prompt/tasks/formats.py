"""Reads the rows of CSV, TSV, JSON, JSONL and Parquet files, gzipped or not."""

import codecs
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dfo_prompt._util.reading import read_bytes, refuse_constant, unique_keys
from dfo_prompt.errors import DataError, InputError, needs_extra
from dfo_prompt.tasks.rows import Row, cell
from dfo_prompt.tasks.tables import LINE_END, TABLES, read_table

GZIP = ".gz"
SUFFIXES = (*TABLES, ".jsonl", ".json", ".parquet")
"""Suffixes of supported data files, which ".gz" may follow."""
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    # UTF-32 before UTF-16: a mark of UTF-32 begins with one of UTF-16.
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def data_suffix(path: Path) -> str:
    """Return the suffix of a file in lower case, for a gzipped file that of its content."""
    inner = path.with_suffix("") if path.suffix.lower() == GZIP else path
    return inner.suffix.lower()


def read_rows(path: Path, *, encoding: str, header: Sequence[str] = (), delimiter: str = "") -> Iterator[Row]:
    """Read the rows of a file with one of `SUFFIXES`. A key that only other objects of a JSON file have is an empty cell.

    Args:
        path: the file.
        encoding: encoding of its text; a byte order mark takes precedence.
        header: column names of a table without a header line.
        delimiter: delimiter of a table; by default detected, see `read_table`.

    Raises:
        DataError: the file is missing, empty, of another format or in another encoding, or a row is malformed.
        InputError: an extra is missing.
    """
    suffix = data_suffix(path)
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: unknown format of data file; known: {', '.join(SUFFIXES)}, and these with {GZIP}")
    data = _decompressed(path)
    if suffix == ".parquet":
        yield from _parquet(data, path)
        return
    text = decode(data, encoding=encoding, path=path)
    if not text.strip():
        raise DataError(f"{path} is empty")
    if suffix in TABLES:
        yield from read_table(text, path, suffix=suffix, header=header, delimiter=delimiter)
    else:
        yield from _jsonl(text, path) if suffix == ".jsonl" else _json(text, path)


def decode(data: bytes, *, encoding: str, path: Path) -> str:
    """Decode the content of `path` without its byte order mark, which takes precedence over `encoding`.

    Raises:
        DataError: the content is in another encoding or holds NUL bytes, or the encoding is unknown.
    """
    encoding = BYTE_ORDER_MARKS.get(byte_order_mark(data), encoding)
    remedy = f"save the file as {encoding}, or set encoding in [data] of the task"
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: byte {error.start} is not {encoding}; {remedy}") from error
    except (LookupError, ValueError) as error:  # the codec "undefined" exists and always fails
        raise DataError(f"{path}: {error}; set encoding in [data] of the task to a codec of Python") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}, line {line} holds a NUL byte, as UTF-16 and binary files do; {remedy}")
    return text


def byte_order_mark(data: bytes) -> bytes:
    """Return the byte order mark at the beginning of `data`; b"" if there is none."""
    return next((mark for mark in BYTE_ORDER_MARKS if data.startswith(mark)), b"")


def _decompressed(path: Path) -> bytes:
    data = read_bytes(path, kind=DataError)
    if path.suffix.lower() != GZIP:
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a valid gzip file: {error}") from error


def _parquet(data: bytes, path: Path) -> Iterator[Row]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise InputError(needs_extra(f"reading {path.name}", "parquet", otherwise="save it as .csv")) from error
    try:
        records = parquet.read_table(pa.BufferReader(data)).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is not a valid Parquet file: {' '.join(str(error).split())}") from error
    for number, record in enumerate(records, start=1):
        yield _row(record, f"{path}, row {number}")


def _json(text: str, path: Path) -> Iterator[Row]:
    """Read an array of objects, an object with one such array, or JSON lines, which some programs save with this suffix."""
    try:
        data = _loads(text)
    except (ValueError, RecursionError) as error:
        if LINE_END.search(text.strip()) and text.lstrip().startswith("{"):
            yield from _jsonl(text, path)
            return
        raise DataError(f"{path} is not valid JSON: {error}") from error
    if isinstance(data, Mapping):
        arrays = [value for value in data.values() if isinstance(value, list)]
        data = arrays[0] if len(arrays) == 1 else [data]
    if not isinstance(data, list) or not all(isinstance(item, Mapping) for item in data):
        raise DataError(f"{path} holds no array of JSON objects; write it so (pandas: orient='records'), or as .jsonl")
    yield from _filled([(f"{path}, item {number}", record) for number, record in enumerate(data, start=1)])


def _jsonl(text: str, path: Path) -> Iterator[Row]:
    records = []
    # Not str.splitlines, which also splits at characters that JSON allows inside a string.
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
        records.append((place, record))
    yield from _filled(records)


def _filled(records: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Row]:
    """Return a row for each place and JSON object, with the keys of all objects as columns."""
    columns = dict.fromkeys(key for _, record in records for key in record)
    for place, record in records:
        yield _row({**columns, **record}, place)


def _row(record: Mapping[str, Any], place: str) -> Row:
    return Row(place=place, cells={key: cell(value) for key, value in record.items()})


def _loads(text: str) -> Any:
    return json.loads(text, object_pairs_hook=unique_keys, parse_constant=refuse_constant)
