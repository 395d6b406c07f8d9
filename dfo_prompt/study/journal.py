"""An append-only file of JSON lines that is replayed before it is extended.

Durability of all files of a study:

- A killed process loses nothing that was written: each batch is passed to the operating system in one write.
- A power cut loses at most the last second of recorded queries: files and their folder are flushed (fsync) when a batch is
  recorded a second or more after the last flush, and when the study ends. Manifest and result are flushed before they are
  renamed into place.
- An incomplete last line, or trailing NUL bytes that file systems leave after a power cut, are dropped: they belong to a
  batch whose outcome nobody has seen.
"""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path

from dfo_prompt._util.durable import OwnFile
from dfo_prompt._util.reading import refuse_constant
from dfo_prompt.errors import StudyError, one_line
from dfo_prompt.types import Json

Line = dict[str, Json]


class Journal:
    """The lines of `path`: lines of earlier runs are taken first, in order, and then new lines are appended.

    Appending before all old lines are taken drops the rest, which belong to a batch that was cut off. Without a path nothing
    is stored.

    Attributes:
        count: number of lines of earlier runs, taken or not.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.file = OwnFile(path) if path else None
        self._raw = _complete(self.file.read()) if self.file else []
        self._old = parse_lines(self._raw, path)
        self.count = len(self._old)
        self._taken = self._end = 0

    @property
    def lines(self) -> Sequence[Line]:
        """Return the old lines."""
        return self._old

    @property
    def unrecalled(self) -> int:
        """Return the number of old lines that have not been taken."""
        return len(self._old) - self._taken

    def take(self, count: int) -> list[Line] | None:
        """Return the next `count` old lines, or None if fewer are left."""
        lines = self._old[self._taken : self._taken + count]
        if len(lines) < count:
            return None
        self._end += sum(map(len, self._raw[self._taken : self._taken + count]))
        self._taken += count
        return lines

    def keep(self, count: int) -> None:
        """Drop all but the first `count` old lines: the others belong to batches that will run again."""
        del self._old[count:], self._raw[count:]
        self.count = len(self._old)

    def checksum(self, first: int, count: int) -> str:
        """Return the checksum of `count` old lines starting at line `first`, counted from 1."""
        return checksum(b"".join(self._raw[first - 1 : first - 1 + count]))

    def append(self, lines: Sequence[Line]) -> None:
        """Write `lines`; see `write`."""
        self.write(encode(lines))

    def write(self, data: bytes) -> None:
        """Append encoded lines in one write to the operating system.

        Raises:
            StudyError: the lines cannot be written; the file is unchanged, or ends in an incomplete line.
        """
        if self.file is None:
            return
        self.file.write(self._end, data)
        self._end += len(data)
        self._old.clear()
        self._raw.clear()
        self._taken = 0


def encode(lines: Sequence[Line]) -> bytes:
    """Return the bytes of lines in a journal."""
    text = "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)
    # A lone surrogate, from a file name that is not valid text, becomes its JSON escape.
    return text.encode(errors="backslashreplace")


def checksum(data: bytes) -> str:
    """Return the CRC-32 of bytes in hexadecimal."""
    return f"{zlib.crc32(data):08x}"


def read_lines(path: Path) -> list[Line]:
    """Return the complete lines of a journal without opening it for writing; none if there is no file.

    Raises:
        StudyError: the journal is damaged.
    """
    return parse_lines(read_raw(path), path)


def read_raw(path: Path) -> list[bytes]:
    """Return the complete lines of a journal as bytes; none if there is no file."""
    return _complete(path.read_bytes() if path.exists() else b"")


def damaged(path: Path | None, number: int, fault: str) -> StudyError:
    """Return the error for line `number`, counted from 1, of the journal `path`."""
    return StudyError(f"{path}, line {number}, is damaged: {fault[:120]}; move the folder away to start over")


def parse_lines(raw: Sequence[bytes], path: Path | None) -> list[Line]:
    """Parse lines of JSON.

    Raises:
        StudyError: a line is damaged; the message gives its number.
    """
    lines: list[Line] = []
    for number, line in enumerate(raw, start=1):
        try:
            value = DECODER.decode(line.decode("utf-8", "surrogatepass"))
        except json.JSONDecodeError as error:
            raise damaged(path, number, f"{error.msg}, column {error.colno}") from error
        except (ValueError, RecursionError) as error:
            raise damaged(path, number, one_line(error)) from error
        if not isinstance(value, dict):
            raise damaged(path, number, "it holds no table")
        lines.append(value)
    return lines


def _complete(raw: bytes) -> list[bytes]:
    # A last line without a newline was cut off while it was written.
    written = raw.rstrip(b"\0")
    return written[: written.rfind(b"\n") + 1].splitlines(keepends=True)


DECODER = json.JSONDecoder(parse_constant=refuse_constant)
"""A shared decoder: `json.loads` would build one per line, which takes as long as the line itself."""
