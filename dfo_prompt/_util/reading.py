"""Files and paths that a user names: whatever is wrong with them ends in one error."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dfo_prompt.errors import InputError


def read_bytes(path: Path, *, most: int | None = None, kind: type[InputError] = InputError) -> bytes:
    """Read a file of at most `most` bytes.

    Raises:
        InputError: it is missing, unreadable or longer; of the class `kind`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(-1 if most is None else most + 1)
    except OSError as error:
        raise kind(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # a NUL in its name
        raise kind(f"cannot read {path}: {error}") from error
    if most is not None and len(data) > most:
        raise kind(f"cannot read {path}: it has more than {most:,} bytes, so it is another kind of file")
    return data


def exists(path: Path) -> bool:
    """Tell whether there is a file or folder that can be looked at; a path that cannot be one names none."""
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, a folder that is closed
        return False


def from_home(path: Path | str) -> Path:
    """Return the path with a "~" at its beginning replaced by the home folder, if there is one."""
    with suppress(RuntimeError):  # of a user that is not there
        return Path(path).expanduser()
    return Path(path)


def absolute(path: Path) -> Path:
    """Return the path from the root, by its own name: of a link, not of what it points at, which may lack a suffix.

    Raises:
        InputError: it holds a NUL, or its folders are links in a circle.
    """
    try:
        if "\0" in str(path):
            raise ValueError("embedded null byte")  # noqa: TRY301 - as the system calls it
        return path.parent.resolve() / path.name if path.name not in ("", "..") else path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"there can be no path {path}: {error}") from error


def unique_keys(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as a dictionary; for `json.loads`, which would keep the last of those with the same key.

    Raises:
        ValueError: two have the same key.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} occurs twice")
        found[key] = value
    return found
