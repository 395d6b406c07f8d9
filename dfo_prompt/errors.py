"""Every error this package raises on purpose.

DfoPromptError
├── InputError            the caller can mend it: a name, an option, a file
│   ├── UnknownNameError  nothing of that name is installed
│   ├── DataError         a data file or a task does not hold what it must
│   └── ModelError        a model cannot be had, or cannot do what is asked of it
├── PluginError           a plugin broke its contract
└── StudyError            a study cannot go on (or be continued)
    └── OutageError       a service does not answer as it must; the study stops where it is

The message is one line: what, where, what to do. The command line prints it and exits with status 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Self

LISTED = 12
"""Names that an error lists at most."""
MOST_CHARACTERS = 500
"""Of a message; the last quarter of them is its end, which says what to do."""


class DfoPromptError(Exception):
    """Base of all errors below."""

    def __str__(self) -> str:
        """Return the message as one line that any terminal can show."""
        return shortened(super().__str__())


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


class OutageError(StudyError):
    """A service that an objective calls gives no usable answer.

    The study stops where it is: nothing is journaled and the optimizer is told nothing, so that the same command goes on.

    Args:
        usage: a `Usage`, what was spent all the same; None leaves the evaluations to be charged at their estimate.
    """

    def __init__(self, *said: object, usage: Any = None) -> None:
        super().__init__(*said)
        self.usage = usage


def one_line(error: BaseException) -> str:
    """Return the kind of an error and the first line of its message."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:
        lines = ["its message cannot be had"]
    return shortened(": ".join([type(error).__name__, *lines[:1]]))


def shortened(text: str) -> str:
    """Return the text as one line of at most `MOST_CHARACTERS`, without its middle; what cannot be shown is escaped."""
    tail = MOST_CHARACTERS // 4
    if len(text) > 8 * MOST_CHARACTERS:  # escapes make it longer, never shorter
        text = text[: 4 * MOST_CHARACTERS] + text[-4 * MOST_CHARACTERS :]
    line = "".join(map(_shown, " ".join(text.split())))
    if len(line) <= MOST_CHARACTERS:
        return line
    return f"{line[: MOST_CHARACTERS - tail - 5]} ... {line[-tail:]}"


def _shown(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
