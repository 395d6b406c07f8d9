"""Folders of data: with a file for each split, or with a subfolder of text files, one per example, for each class."""

import re
from collections.abc import Iterator
from pathlib import Path

from dfo_prompt._util.reading import read_bytes
from dfo_prompt.errors import DataError
from dfo_prompt.tasks.formats import BYTE_ORDER_MARKS, SUFFIXES, byte_order_mark, data_suffix, decode
from dfo_prompt.tasks.rows import Row

SPLITS = (("train", "training"), ("validation", "valid", "val", "dev"), ("test", "testing"))
"""Usual names of each split."""
SHARD = re.compile(r"-0+-of-0*1$")
"""The suffix that the hub gives to the only shard of a split: "train-00000-of-00001"."""


def find_split(folder: Path, *splits: str) -> Path | None:
    """Return the data file of a split in `folder`, or None.

    Args:
        folder: the folder.
        splits: names of splits, the preferred one first; files with another usual name of a split are found too.

    Raises:
        DataError: two files have the same split's name.
    """
    files = [file for file in visible_entries(folder) if data_suffix(file) in SUFFIXES and file.is_file()]
    for stem in (name for split in splits for name in _usual_names(split)):
        matches = [file for file in files if _stem(file) == stem.lower()]
        if len(matches) > 1:
            raise DataError(f"{folder} holds {matches[0].name} and {matches[1].name}; keep one of them")
        if matches:
            return matches[0]
    return None


def visible_entries(folder: Path) -> list[Path]:
    """Return the entries of `folder` that are not hidden, sorted.

    Raises:
        DataError: the folder cannot be listed.
    """
    try:
        return sorted(entry for entry in folder.iterdir() if not _hidden(entry))
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror}") from error


def unread_files(folder: Path, *read: Path | None) -> tuple[str, ...]:
    """Return the names of files in `folder` that look like data and are not among the files that were `read`."""
    splits = {name for names in SPLITS for name in names}
    others = (file for file in visible_entries(folder) if file not in read and file.is_file())
    return tuple(
        file.name
        for file in others
        if data_suffix(file) in SUFFIXES or re.split("[-_.]", file.name.lower())[0] in splits  # "test-00000.parquet"
    )


def read_class_folders(folder: Path, *, encoding: str, first_line: bool) -> Iterator[Row]:
    """Read folder/CLASS/*.txt as rows with the columns "label" and "text"; other files become rows to skip.

    Args:
        folder: the folder.
        encoding: encoding of the files; a byte order mark takes precedence.
        first_line: whether to read only the first line of each file.

    Raises:
        DataError: there is no such file, or a file is in another encoding.
    """
    documents = [file for group in visible_entries(folder) if group.is_dir() for file in sorted(group.iterdir())]
    if not any(_is_text_file(path) for path in documents):
        raise DataError(f"{folder} holds neither train{'/'.join(SUFFIXES)} nor class folders of .txt files")
    for path in documents:
        if not _is_text_file(path):
            yield Row(place=str(path), skip="hidden file" if _hidden(path) else "no .txt file")
            continue
        data = read_bytes(path, kind=DataError)
        if first_line and _has_plain_line_feed(BYTE_ORDER_MARKS.get(byte_order_mark(data), encoding)):
            # Cut before decoding: bytes that are not used need not be valid.
            data = data.split(b"\n", 1)[0]
        text = decode(data, encoding=encoding, path=path)
        text = text.split("\n", 1)[0] if first_line else text
        yield Row(place=str(path), cells={"label": path.parent.name, "text": text})


def _has_plain_line_feed(encoding: str) -> bool:
    """Tell whether an encoding has a line feed of one byte, unlike UTF-16; False for an unknown one."""
    try:
        return "\n".encode(encoding) == b"\n"
    except (LookupError, ValueError):
        return False


def _usual_names(split: str) -> tuple[str, ...]:
    others = next((names for names in SPLITS if split in names), ())
    return tuple(dict.fromkeys((split, *others))) if split else ()


def _stem(file: Path) -> str:
    """Return the name of a file in lower case, without its suffixes and the number of its only shard."""
    name = file.name.lower()
    return SHARD.sub("", name.removesuffix(".gz").removesuffix(data_suffix(file)))


def _hidden(path: Path) -> bool:
    # Programs leave such entries: ".ipynb_checkpoints"; "._1.txt" and "__MACOSX" in archives.
    return path.name.startswith(".") or path.name == "__MACOSX"


def _is_text_file(path: Path) -> bool:
    return path.suffix.lower() == ".txt" and not _hidden(path) and path.is_file()
