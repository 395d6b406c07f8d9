"""Errors that this package raises deliberately.

DfoPromptError
├── InputError            invalid input that the caller can fix: a name, an option, a file
│   ├── UnknownNameError  nothing with that name is installed
│   ├── DataError         a data file or a task is invalid
│   └── ModelError        a model cannot be loaded, or lacks a required capability
├── PluginError           a plugin broke its contract
└── StudyError            a study cannot start or continue
    └── OutageError       a service gives no usable answer; the study stops and can be continued

A message is one line: what failed, where, and what to do. The command line prints it and exits with status 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Self

LISTED = 12
"""The most names that an error lists."""
MOST_CHARACTERS = 500
"""The longest message. A quarter is reserved for its end, which says what to do."""


class DfoPromptError(Exception):
    """Base class of all errors of this package."""

    def __str__(self) -> str:
        """Return the message as one line that any terminal can show."""
        return shortened(super().__str__())


class InputError(DfoPromptError):
    """Invalid input that the caller can fix."""


class UnknownNameError(InputError):
    """A name that matches nothing installed."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str]) -> Self:
        """Build the error for `name`, suggesting the closest match in `known`."""
        names = sorted(known)
        close = get_close_matches(name, names, n=1, cutoff=0.5)
        suggestion = f"; did you mean {close[0]!r}?" if close else ""
        listed = ", ".join(names) if len(names) <= LISTED else f"{', '.join(names[:LISTED])}, ... ({len(names)} in all)"
        return cls(f"unknown {kind} {name!r}{suggestion or ';'} known: {listed}")


class DataError(InputError):
    """A data file or a task is invalid."""


class ModelError(InputError):
    """A language model cannot be loaded, or lacks a required capability."""


class PluginError(DfoPromptError):
    """A plugin cannot be loaded or broke its contract; the message names the plugin."""


class StudyError(DfoPromptError):
    """A study cannot start, continue or finish."""


class OutageError(StudyError):
    """A service that an objective calls gives no usable answer.

    The study stops without journaling the batch or telling the optimizer, so the same command can continue it.

    Args:
        usage: a `Usage`, consumed despite the failure; with None the evaluations are charged at their estimate.
    """

    def __init__(self, *message: object, usage: Any = None) -> None:
        super().__init__(*message)
        self.usage = usage


def needs_extra(what: str, extra: str, *, otherwise: str = "", distribution: str = "dfo-prompt") -> str:
    """Return the message that `what` needs an optional dependency, with the command that installs it."""
    return f"{what} needs an extra: pip install '{distribution}[{extra}]'{otherwise and f'; or {otherwise}'}"


def one_line(error: BaseException) -> str:
    """Return the class of an error and the first line of its message."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:
        lines = ["its message cannot be had"]
    return shortened(": ".join([type(error).__name__, *lines[:1]]))


def shortened(text: str) -> str:
    """Return the text as one line of at most `MOST_CHARACTERS`, cut in the middle; unprintable characters are escaped."""
    tail = MOST_CHARACTERS // 4
    if len(text) > 8 * MOST_CHARACTERS:  # escaping only lengthens the text
        text = text[: 4 * MOST_CHARACTERS] + text[-4 * MOST_CHARACTERS :]
    line = "".join(map(visible, " ".join(text.split())))
    if len(line) <= MOST_CHARACTERS:
        return line
    return f"{line[: MOST_CHARACTERS - tail - 5]} ... {line[-tail:]}"


def visible(character: str) -> str:
    r"""Return the character, or its escape such as \u202e if it is not printable."""
    return character if character.isprintable() else character.encode("unicode_escape").decode()
