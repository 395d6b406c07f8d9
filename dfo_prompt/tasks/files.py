"""Folders of data: a file for each split, or one text file an example in folders named after the classes."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from dfo_prompt._util.reading import read_bytes
from dfo_prompt.errors import DataError
from dfo_prompt.tasks.formats import KINDS, decode, kind_of, mark_of
from dfo_prompt.tasks.rows import Row

SPLITS = (("train", "training"), ("validation", "valid", "val", "dev"), ("test", "testing"))
"""Names that files of the same split go by."""
SHARD = re.compile(r"-0+-of-0*1$")
"""Ends the name of a split that is in one piece, as the hub names it: "train-00000-of-00001"."""


def find_split(folder: Path, *splits: str) -> Path | None:
    """Return the data file in `folder` with the first of the names of `splits` that any has, or None.

    Raises:
        DataError: two files have the name.
    """
    files = [file for file in visible(folder) if kind_of(file) in KINDS and file.is_file()]
    for stem in (name for split in splits for name in _names(split)):
        found = [file for file in files if _stem(file) == stem.lower()]
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
        if kind_of(file) in KINDS or re.split("[-_.]", file.name.lower())[0] in splits  # "test-00000.parquet"
    )


def read_class_folders(folder: Path, *, encoding: str, first_line: bool) -> Iterator[Row]:
    """Read folder/CLASS/*.txt as rows with the columns "label" and "text"; other files there are rows to skip.

    Raises:
        DataError: there is no such file, or one is in another encoding.
    """
    documents = [file for group in visible(folder) if group.is_dir() for file in sorted(group.iterdir())]
    if not any(_is_text(path) for path in documents):
        raise DataError(f"{folder} holds neither train{'/'.join(KINDS)} nor class folders of .txt files")
    for path in documents:
        if not _is_text(path):
            yield Row(place=str(path), skip="hidden file" if _hidden(path) else "no .txt file")
            continue
        data = read_bytes(path, kind=DataError)
        if first_line and mark_of(data) in (b"", codecs.BOM_UTF8):
            # Cut before decoding: what is not used need not be sound.
            data = data.split(b"\n", 1)[0]
        text = decode(data, encoding=encoding, path=path)
        text = text.split("\n", 1)[0] if first_line else text
        yield Row(place=str(path), cells={"label": path.parent.name, "text": text})


def _names(split: str) -> tuple[str, ...]:
    others = next((names for names in SPLITS if split in names), ())
    return tuple(dict.fromkeys((split, *others))) if split else ()


def _stem(file: Path) -> str:
    """Return the name of a file without what tells its kind, and without the number of its only shard."""
    name = file.name.lower()
    return SHARD.sub("", name.removesuffix(".gz").removesuffix(kind_of(file)))


def _hidden(path: Path) -> bool:
    # The system's own: ".ipynb_checkpoints", and "._1.txt" or "__MACOSX" of archives.
    return path.name.startswith(".") or path.name == "__MACOSX"


def _is_text(path: Path) -> bool:
    return path.suffix.lower() == ".txt" and not _hidden(path) and path.is_file()
