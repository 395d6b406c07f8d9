"""An append-only file of JSON lines that is read back first and written after."""

import json
from collections.abc import Sequence
from pathlib import Path

from dfo_prompt.errors import StudyError
from dfo_prompt.types import Json

Line = dict[str, Json]


class Journal:
    """The lines of `path`: those of an earlier run are taken first, in order; then new ones are appended.

    Appending before every old line has been taken drops the rest: they belong to a batch that was cut off.
    Without a path the lines go nowhere.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        raw = path.read_bytes() if path and path.exists() else b""
        self._old = _parse(raw, path)
        self._taken = 0
        self._clean = not raw

    def take(self, count: int) -> list[Line] | None:
        """Return the next `count` old lines, or None if there are not that many left."""
        lines = self._old[self._taken : self._taken + count]
        if len(lines) < count:
            return None
        self._taken += count
        return lines

    def append(self, lines: Sequence[Line]) -> None:
        """Write `lines`, in one piece, and hand them to the operating system before returning.

        Raises:
            StudyError: they cannot be written; the file then holds what it held, or ends in a part that is not taken back.
        """
        if self._path is None:
            return
        text = "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)
        try:
            self._drop_the_rest()
            # A lone surrogate, of a file name that is no text, becomes the escape that JSON has for it.
            with self._path.open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                file.write(text)
        except OSError as error:
            raise StudyError(
                f"cannot write {self._path}: {error.strerror}; make room and run the same command again"
            ) from error

    def _drop_the_rest(self) -> None:
        if self._clean or self._path is None:
            return
        del self._old[self._taken :]
        kept = sum(len(raw) for raw in self._path.read_bytes().splitlines(keepends=True)[: self._taken])
        with self._path.open("r+b") as file:
            file.truncate(kept)
        self._clean = True


def read_lines(path: Path) -> list[Line]:
    """Return the complete lines of a journal, for whoever only reads it; none if there is no file.

    Raises:
        StudyError: it is damaged.
    """
    return _parse(path.read_bytes() if path.exists() else b"", path)


def _parse(raw: bytes, path: Path | None) -> list[Line]:
    # A last line without its newline was cut off in the middle; it was never answered.
    complete = raw[: raw.rfind(b"\n") + 1].splitlines()
    try:
        return [json.loads(line) for line in complete]
    except ValueError as error:
        raise StudyError(f"{path} is damaged: {error}; move the folder away to start over") from error
