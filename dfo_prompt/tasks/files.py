"""Rows of local files: CSV, TSV, JSONL, or one text file an example in folders named after the classes."""

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from dfo_prompt._util.reading import read_bytes, unique_keys
from dfo_prompt.errors import DataError
from dfo_prompt.tasks.rows import Row, cell
from dfo_prompt.tasks.tables import DELIMITERS, LINE_END, read_table

SUFFIXES = (*DELIMITERS, ".jsonl")
SPLITS = (("train", "training"), ("validation", "valid", "val", "dev"), ("test", "testing"))
"""Names that files of the same split go by."""
# Those of UTF-32 first: one begins with one of UTF-16.
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def find_split(folder: Path, *splits: str) -> Path | None:
    """Return the data file in `folder` with the first of the names of `splits` that any has, or None.

    Raises:
        DataError: two files have the name.
    """
    files = [file for file in visible(folder) if file.suffix.lower() in SUFFIXES and file.is_file()]
    for stem in (name for split in splits for name in _names(split)):
        found = [file for file in files if file.stem.lower() == stem.lower()]
        if len(found) > 1:
            raise DataError(f"{folder} holds {found[0].name} and {found[1].name}; keep one of them")
        if found:
            return found[0]
    return None


def visible(folder: Path) -> list[Path]:
    """Return what is in `folder`, in order, but for hidden entries.

    Raises:
        DataError: it cannot be listed.
    """
    try:
        return sorted(entry for entry in folder.iterdir() if not _hidden(entry))
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror}") from error


def unread(folder: Path, *read: Path | None) -> tuple[str, ...]:
    """Return the names of files in `folder` that look like data and are not among those `read`."""
    splits = {name for names in SPLITS for name in names}
    others = (file for file in visible(folder) if file not in read and file.is_file())
    return tuple(
        file.name
        for file in others
        if file.suffix.lower() in SUFFIXES or re.split("[-_.]", file.name.lower())[0] in splits  # "test-00000.parquet"
    )


def read_rows(path: Path, *, encoding: str, header: Sequence[str] = ()) -> Iterator[Row]:
    """Read a CSV or TSV file, or a JSONL file with an object a line; `header` names the columns of one that does not.

    Raises:
        DataError: the file is missing, empty, of another kind or in another encoding, or a line is malformed.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: unknown kind of data file; known: {', '.join(SUFFIXES)}")
    text = decode(read_bytes(path, kind=DataError), encoding=encoding, path=path)
    if not text.strip():
        raise DataError(f"{path} is empty")
    yield from _jsonl(text, path) if suffix == ".jsonl" else read_table(text, path, header=header)


def read_class_folders(folder: Path, *, encoding: str, first_line: bool) -> Iterator[Row]:
    """Read folder/CLASS/*.txt as rows with the columns "label" and "text"; other files there are rows to skip.

    Raises:
        DataError: there is no such file, or one is in another encoding.
    """
    documents = [file for group in visible(folder) if group.is_dir() for file in sorted(group.iterdir())]
    if not any(_is_text(path) for path in documents):
        raise DataError(f"{folder} holds neither train{'/'.join(SUFFIXES)} nor class folders of .txt files")
    for path in documents:
        if not _is_text(path):
            yield Row(place=str(path), skip="hidden file" if _hidden(path) else "no .txt file")
            continue
        data = read_bytes(path, kind=DataError)
        if first_line and _mark(data) in (b"", codecs.BOM_UTF8):
            # Cut before decoding: what is not used need not be sound.
            data = data.split(b"\n", 1)[0]
        text = decode(data, encoding=encoding, path=path)
        text = text.split("\n", 1)[0] if first_line else text
        yield Row(place=str(path), cells={"label": path.parent.name, "text": text})


def decode(data: bytes, *, encoding: str, path: Path) -> str:
    """Decode the content of `path`; a byte order mark says more than `encoding`, and is left out.

    Raises:
        DataError: it is in another encoding, holds NUL bytes, or the encoding is unknown.
    """
    encoding = MARKS.get(_mark(data), encoding)
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


def _names(split: str) -> tuple[str, ...]:
    others = next((names for names in SPLITS if split in names), ())
    return tuple(dict.fromkeys((split, *others))) if split else ()


def _hidden(path: Path) -> bool:
    # The system's own: ".ipynb_checkpoints", and "._1.txt" or "__MACOSX" of archives.
    return path.name.startswith(".") or path.name == "__MACOSX"


def _is_text(path: Path) -> bool:
    return path.suffix.lower() == ".txt" and not _hidden(path) and path.is_file()


def _mark(data: bytes) -> bytes:
    return next((mark for mark in MARKS if data.startswith(mark)), b"")


def _jsonl(text: str, path: Path) -> Iterator[Row]:
    # Not splitlines(), which also breaks at characters that JSON allows inside a string.
    for number, line in enumerate(LINE_END.split(text.rstrip("\r\n")), start=1):
        place = f"{path}, line {number}"
        if not line.strip():
            raise DataError(f"{place} is empty; remove it")
        try:
            record = json.loads(line, object_pairs_hook=unique_keys, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{place} is not valid JSON: {error}") from error
        if not isinstance(record, dict):
            raise DataError(f"{place} is not a JSON object")
        yield Row(place=place, cells={key: cell(value) for key, value in record.items()})


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no value of JSON")
