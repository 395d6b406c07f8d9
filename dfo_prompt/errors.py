"""Every error this package raises on purpose.

DfoPromptError
├── InputError            the caller can mend it: a name, an option, a file
│   ├── UnknownNameError  nothing of that name is installed
│   ├── DataError         a data file or a task does not hold what it must
│   └── ModelError        a model cannot be had, or cannot do what is asked of it
├── PluginError           a plugin broke its contract
└── StudyError            a study cannot go on (or be continued)

The message is one line: what, where, what to do. The command line prints it and exits with status 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Self

LISTED = 12
"""Names that an error lists at most."""
LONGEST = 600
"""Characters of a message."""


class DfoPromptError(Exception):
    """Base of all errors below."""


class InputError(DfoPromptError):
    """Something the caller gave is wrong, and can be mended by the caller."""


class UnknownNameError(InputError):
    """A name that nothing installed answers to."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str]) -> Self:
        """Build the error for `name`, with the nearest of `known` as a suggestion."""
        names = sorted(known)
        close = get_close_matches(name, names, n=1, cutoff=0.5)
        suggestion = f"; did you mean {close[0]!r}?" if close else ""
        listed = ", ".join(names) if len(names) <= LISTED else f"{', '.join(names[:LISTED])}, ... ({len(names)} in all)"
        return cls(f"unknown {kind} {name!r}{suggestion or ';'} known: {listed}")


class DataError(InputError):
    """A data file or a task does not hold what it must."""


class ModelError(InputError):
    """A language model cannot be loaded, or cannot do what is asked of it."""


class PluginError(DfoPromptError):
    """A plugin could not be loaded or broke its contract; the message names it."""


class StudyError(DfoPromptError):
    """A study cannot start, continue or end as it should."""


def one_line(error: BaseException) -> str:
    """Return the kind of an error and the first line of its message, shortened."""
    return shortened(f"{type(error).__name__}: {error}".splitlines()[0])


def shortened(message: str) -> str:
    """Return `message` without its middle where it is long: its beginning says what and where, its end what to do."""
    return message if len(message) <= LONGEST else f"{message[: LONGEST - 150]} ... {message[-145:]}"
