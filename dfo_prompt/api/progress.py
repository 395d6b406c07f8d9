"""Progress display of calls from Python: by default only on a terminal and in a notebook."""

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from dfo_prompt.console.progress import ProgressObserver, SuiteProgress
from dfo_prompt.console.terminal import terminal
from dfo_prompt.study.result import Observer
from dfo_prompt.suite.state import Watcher, unwatched

WIDTH = 110
"""The characters of a line in a notebook."""


@contextmanager
def study_progress(progress: bool | None) -> Iterator[Sequence[Observer]]:
    """Yield the observers that show progress, if it is to be shown.

    Args:
        progress: True to show progress also without a terminal, False to hide it; None to detect a terminal or notebook.
    """
    if (console := _console(progress)) is None:
        yield ()
        return
    with ProgressObserver(console) as observer:
        yield (observer,)


@contextmanager
def suite_progress(progress: bool | None) -> Iterator[Watcher]:
    """Yield the watcher that shows the progress of a suite; see `study_progress`."""
    if (console := _console(progress)) is None:
        yield unwatched
        return
    with SuiteProgress(console) as watch:
        yield watch


def _console(progress: bool | None) -> Console | None:
    if progress is False:
        return None
    console = terminal(stderr=True)
    if console.is_jupyter:  # in a notebook rich needs ipywidgets to redraw a bar
        return terminal(file=LastLine(), width=WIDTH, force_jupyter=False, force_terminal=False)
    watched = sys.stderr is not None and sys.stderr.isatty()
    return console if progress or watched else None


class LastLine(io.StringIO):
    """A notebook stream in which each line replaces the previous one."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: Any = None

    def write(self, text: str) -> int:
        """Show the text, unless it is blank."""
        from IPython.display import Pretty, display  # noqa: PLC0415 - installed only with notebooks

        if line := text.strip():
            if self._shown is None:
                self._shown = display(Pretty(line), display_id=True)
            else:
                self._shown.update(Pretty(line))
        return len(text)
