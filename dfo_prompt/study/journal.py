"""An append-only file of JSON lines that is read back first and written after.

Durability, of every file of a study:

- A process that is killed loses nothing that was written: each batch is handed to the operating system in one piece.
- A power cut loses at most the last second of recorded queries: files and their folder are flushed (fsync) when a batch is
  recorded and the last flush is a second or more ago, and when the study ends. Manifest and result are flushed before they
  take their names.
- A last line without its end, or an end of NUL bytes as file systems leave after a power cut, is dropped: it belongs to a
  batch that was never answered.
"""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path

from dfo_prompt._util.durable import OwnFile
from dfo_prompt.errors import StudyError, one_line
from dfo_prompt.types import Json

Line = dict[str, Json]


class Journal:
    """The lines of `path`: those of an earlier run are taken first, in order; then new ones are appended.

    Appending before every old line has been taken drops the rest: they belong to a batch that was cut off.
    Without a path the lines go nowhere.

    Attributes:
        count: lines of earlier runs, taken or not.
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
    def left(self) -> int:
        """Return how many old lines have not been taken."""
        return len(self._old) - self._taken

    def take(self, count: int) -> list[Line] | None:
        """Return the next `count` old lines, or None if there are not that many left."""
        lines = self._old[self._taken : self._taken + count]
        if len(lines) < count:
            return None
        self._end += sum(map(len, self._raw[self._taken : self._taken + count]))
        self._taken += count
        return lines

    def keep(self, count: int) -> None:
        """Forget the old lines behind the first `count`: they belong to batches that will run again."""
        del self._old[count:], self._raw[count:]
        self.count = len(self._old)

    def checksum(self, first: int, count: int) -> str:
        """Return the checksum of `count` old lines from line `first` on, which is 1 for the first of all."""
        return checksum(b"".join(self._raw[first - 1 : first - 1 + count]))

    def append(self, lines: Sequence[Line]) -> None:
        """Write `lines`; see `write`."""
        self.write(encode(lines))

    def write(self, data: bytes) -> None:
        """Write encoded lines, in one piece, and hand them to the operating system before returning.

        Raises:
            StudyError: they cannot be written; the file then holds what it held, or ends in a part that is not taken back.
        """
        if self.file is None:
            return
        self.file.write(self._end, data)
        self._end += len(data)
        self._old.clear()
        self._raw.clear()
        self._taken = 0


def encode(lines: Sequence[Line]) -> bytes:
    """Return lines as a journal holds them."""
    text = "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)
    # A lone surrogate, of a file name that is no text, becomes the escape that JSON has for it.
    return text.encode(errors="backslashreplace")


def checksum(data: bytes) -> str:
    """Return the CRC-32 of bytes in hexadecimal."""
    return f"{zlib.crc32(data):08x}"


def read_lines(path: Path) -> list[Line]:
    """Return the complete lines of a journal, for whoever only reads it; none if there is no file.

    Raises:
        StudyError: it is damaged.
    """
    return parse_lines(_complete(path.read_bytes() if path.exists() else b""), path)


def damaged(path: Path | None, number: int, said: str) -> StudyError:
    """Return the error for line `number` of the journal `path`, 1 for the first."""
    return StudyError(f"{path}, line {number}, is damaged: {said[:120]}; move the folder away to start over")


def parse_lines(raw: Sequence[bytes], path: Path | None) -> list[Line]:
    """Return what lines of JSON hold.

    Raises:
        StudyError: a line is damaged; it is named.
    """
    found: list[Line] = []
    for number, line in enumerate(raw, start=1):
        try:
            value = DECODER.decode(line.decode("utf-8", "surrogatepass"))
        except json.JSONDecodeError as error:
            raise damaged(path, number, f"{error.msg}, column {error.colno}") from error
        except (ValueError, RecursionError) as error:
            raise damaged(path, number, one_line(error)) from error
        if not isinstance(value, dict):
            raise damaged(path, number, "it holds no table")
        found.append(value)
    return found


def _complete(raw: bytes) -> list[bytes]:
    # A last line without its newline was cut off in the middle; it was never answered.
    written = raw.rstrip(b"\0")
    return written[: written.rfind(b"\n") + 1].splitlines(keepends=True)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


DECODER = json.JSONDecoder(parse_constant=_no_number)
"""For every line: `json.loads` would build one each time, which takes as long as the line itself."""
