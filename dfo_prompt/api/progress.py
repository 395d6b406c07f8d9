"""Progress of calls from Python: on a terminal and in a notebook, and nowhere else unless asked for."""

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from dfo_prompt.console.progress import ProgressObserver, SuiteProgress
from dfo_prompt.study.result import Observer
from dfo_prompt.suite.state import Watcher, unwatched

WIDTH = 110
"""Characters of a line in a notebook."""


@contextmanager
def study_progress(progress: bool | None) -> Iterator[Sequence[Observer]]:
    """Give the observers that show studies: none where nobody looks.

    Args:
        progress: True shows lines where there is no terminal either, False shows nothing; None asks where this runs.
    """
    if (console := _console(progress)) is None:
        yield ()
        return
    with ProgressObserver(console) as observer:
        yield (observer,)


@contextmanager
def suite_progress(progress: bool | None) -> Iterator[Watcher]:
    """Give what shows a suite; see `study_progress`."""
    if (console := _console(progress)) is None:
        yield unwatched
        return
    with SuiteProgress(console) as watch:
        yield watch


def _console(progress: bool | None) -> Console | None:
    if progress is False:
        return None
    console = Console(stderr=True, highlight=False)
    if console.is_jupyter:  # rich would need another package there to redraw a bar
        return Console(file=LastLine(), width=WIDTH, force_jupyter=False, force_terminal=False, highlight=False)
    watched = sys.stderr is not None and sys.stderr.isatty()
    return console if progress or watched else None


class LastLine(io.StringIO):
    """A stream of a notebook that shows the last line written to it, each in place of the one before."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: Any = None

    def write(self, text: str) -> int:
        """Show the text, unless it is blank."""
        from IPython.display import Pretty, display  # noqa: PLC0415 - there only in a notebook

        if line := text.strip():
            if self._shown is None:
                self._shown = display(Pretty(line), display_id=True)
            else:
                self._shown.update(Pretty(line))
        return len(text)
