"""Live progress of studies and suites."""

from time import monotonic

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from dfo_prompt.console.numbers import duration_text, rate_text
from dfo_prompt.console.terminal import terminal
from dfo_prompt.report.texts import printable
from dfo_prompt.study.result import Batch, StudyInfo, StudyResult
from dfo_prompt.suite.state import SuiteState

LOG_LINES = 10
"""The number of lines per study in a log file, where a bar cannot be redrawn."""
NOTE_WIDTH = len("best 0.1234  4,040 queries/s")
RATED_BATCHES = 3
"""The number of batches before a rate is shown: the first batches include loading and warm-up."""


class ProgressObserver:
    """Shows best loss, queries, rate and time left: a live bar on a terminal, ten lines per study in a log."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or terminal(stderr=True)
        whole = Column(no_wrap=True, min_width=NOTE_WIDTH)  # on a narrow terminal the bar shrinks, not the figures
        self._bar = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, max_width=24)),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False, table_column=whole),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=self._console,
            expand=True,
        )
        self._task = TaskID(0)
        self._budget = self._batches = self._fresh = self._logged = 0
        self._name = ""
        self._started = monotonic()

    def __enter__(self) -> "ProgressObserver":
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar.live.is_started:  # after a failure, too: a live bar hides the cursor
            self._bar.stop()

    def study_started(self, info: StudyInfo) -> None:
        """Start a bar."""
        self._name, self._budget = printable(info.optimizer), info.budget
        self._batches = self._fresh = self._logged = 0
        self._started = monotonic()
        self._task = self._bar.add_task(self._name, total=info.budget, note="")
        if self._console.is_terminal:
            self._bar.start()

    def batch_evaluated(self, batch: Batch) -> None:
        """Move the bar, or write a line at every tenth of the budget."""
        self._batches += not batch.recalled
        self._fresh += 0 if batch.recalled else len(batch.records)
        rate = self._fresh / max(monotonic() - self._started, 1e-9)
        best = "-" if batch.best_loss is None else f"{batch.best_loss:.4g}"
        note = f"best {best}  {rate_text(rate)} queries/s" if self._batches >= RATED_BATCHES else f"best {best}"
        self._bar.update(self._task, completed=batch.queries, note=note)
        step = batch.queries * LOG_LINES // self._budget
        if not self._console.is_terminal and step > self._logged and not batch.recalled:
            left = f"{batch.remaining / rate:.0f} s left" if batch.remaining else "done"
            line = f"{self._name}: {batch.queries}/{self._budget} queries, {note}, {left}"
            self._console.print(line, soft_wrap=True, markup=False)
            self._logged = step

    def study_finished(self, result: StudyResult) -> None:  # noqa: ARG002
        """Stop the bar and leave it visible."""
        if self._console.is_terminal:
            self._bar.stop()


class SuiteProgress:
    """Shows the progress of a suite: a live bar on a terminal, otherwise a line for each study that ends."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or terminal(stderr=True)
        self._bar = Progress(
            TextColumn("queries"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, note="")
        self._started = monotonic()

    def __enter__(self) -> "SuiteProgress":
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar.live.is_started:  # stopping an unstarted bar would add an empty line to a log
            self._bar.stop()

    def __call__(self, progress: SuiteState) -> None:
        """Move the bar, and print the news above it."""
        rate = progress.fresh / max(monotonic() - self._started, 1e-9)
        parts = [f"{progress.done} of {progress.studies} studies", f"{len(progress.running)} running"]
        if progress.failed:
            parts.append(f"{progress.failed} failed")
        if rate and progress.only_queries:
            left = duration_text((progress.queries - progress.asked) / rate)
            parts.append(f"{rate_text(rate)} queries/s, {left} left")
        note = ", ".join(parts)
        self._bar.update(self._task, total=progress.queries, completed=progress.asked, note=note)
        for line in progress.news:
            self._console.print(f"{escape(printable(line))}  [dim]({note})[/dim]", soft_wrap=True)
