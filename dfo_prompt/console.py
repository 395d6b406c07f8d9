"""What a person sees while studies run, and at their end: live progress, tables."""

from datetime import timedelta
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from dfo_prompt.contracts.usage import currencies
from dfo_prompt.report.summary import Summary
from dfo_prompt.report.texts import printable
from dfo_prompt.study.best import answer_of
from dfo_prompt.study.result import Batch, StudyInfo, StudyResult
from dfo_prompt.suite.state import SuiteState

LOG_LINES = 10
"""Lines a study in a log file, where nothing can be redrawn."""


class ProgressObserver:
    """Shows best loss, queries left, rate and time left: a live bar on a terminal, ten lines a study in a log."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description:<24}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=self._console,
        )
        self._task = TaskID(0)
        self._budget = self._fresh = self._logged = 0
        self._name = ""
        self._started = monotonic()

    def __enter__(self) -> "ProgressObserver":
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar.live.is_started:  # however a study ended: a live bar hides the cursor
            self._bar.stop()

    def study_started(self, info: StudyInfo) -> None:
        """Begin a bar."""
        self._name, self._budget, self._fresh, self._logged = printable(info.optimizer), info.budget, 0, 0
        self._started = monotonic()
        self._task = self._bar.add_task(self._name, total=info.budget, note="")
        if self._console.is_terminal:
            self._bar.start()

    def batch_evaluated(self, batch: Batch) -> None:
        """Move the bar, or write a line at every tenth of the budget."""
        self._fresh += 0 if batch.recalled else len(batch.records)
        rate = self._fresh / max(monotonic() - self._started, 1e-9)
        best = "-" if batch.best_loss is None else f"{batch.best_loss:.4g}"
        note = f"best {best}  {rate:.3g} queries/s" if rate else f"best {best}"
        self._bar.update(self._task, completed=batch.queries, note=note)
        step = batch.queries * LOG_LINES // self._budget
        if not self._console.is_terminal and step > self._logged and not batch.recalled:
            left = f"{batch.remaining / rate:.0f} s left" if batch.remaining else "done"
            line = f"{self._name}: {batch.queries}/{self._budget} queries, {note}, {left}"
            self._console.print(line, soft_wrap=True, markup=False)
            self._logged = step

    def study_finished(self, result: StudyResult) -> None:  # noqa: ARG002
        """Leave the bar as it is."""
        if self._console.is_terminal:
            self._bar.stop()


class SuiteProgress:
    """Shows how far a suite is: a live bar on a terminal, a line for each study that ends elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
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
        if self._bar.live.is_started:  # it would end a log with an empty line
            self._bar.stop()

    def __call__(self, progress: SuiteState) -> None:
        """Move the bar; write what is new above it."""
        rate = progress.fresh / max(monotonic() - self._started, 1e-9)
        parts = [f"{progress.done} of {progress.studies} studies", f"{len(progress.running)} running"]
        if progress.failed:
            parts.append(f"{progress.failed} failed")
        if rate and progress.only_queries:
            left = timedelta(seconds=round((progress.queries - progress.asked) / rate))
            parts.append(f"{rate:.3g} queries/s, {left} left")
        note = ", ".join(parts)
        self._bar.update(self._task, total=progress.queries, completed=progress.asked, note=note)
        for line in progress.news:
            self._console.print(f"{escape(printable(line))}  [dim]({note})[/dim]", soft_wrap=True)


def print_summary(summary: Summary, folder: Path) -> None:
    """Print the figures of one study."""
    lines = [*_lines(summary), ("folder", str(folder))]
    width = max(len(name) for name, _ in lines)
    console = Console(soft_wrap=True, highlight=False)
    for name, value in lines:
        console.print(f"[bold]{name:<{width}}[/bold]  {escape(printable(value))}")


def note_unfinished(folder: Path) -> None:
    """Say on standard error that the study in `folder` is unfinished, if it is, and what stands for its answer."""
    answer = answer_of(folder)
    if not answer.finished:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"study unfinished: best of {answer.queries} queries")


def comparison_table(summaries: list[Summary], *, metric: str) -> Table:
    """Build the table that compares studies, with the hand-written prompt as its first row."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("optimizer", no_wrap=True)
    for name in ("queries", "best loss", f"dev {metric}", f"test {metric}", "seconds"):
        table.add_column(name, justify="right")
    manual = summaries[0].held_out
    table.add_row("manual prompt", "0", "", _percent(manual.manual_dev_metric), _percent(manual.manual_test_metric), "")
    winner = max(summary.held_out.test_metric or 0.0 for summary in summaries)
    for summary in summaries:
        figures = (_percent(summary.held_out.dev_metric), _percent(summary.held_out.test_metric), f"{summary.seconds:.0f}")
        loss = "-" if summary.best_loss is None else f"{summary.best_loss:.4f}"
        style = "bold green" if summary.held_out.test_metric == winner else ""
        table.add_row(escape(printable(summary.optimizer)), str(summary.queries), loss, *figures, style=style)
    return table


def _lines(summary: Summary) -> list[tuple[str, str]]:
    state = f"{summary.seconds:.1f} s" if summary.finished else summary.stop_reason
    what = ("objective", " / ".join(name for name in (summary.objective, summary.task, summary.model) if name))
    lines = [("method", summary.method), what]
    if summary.queries or not summary.finished:
        lines.append(("optimizer", summary.optimizer))
        lines.append(("queries", f"{summary.queries} of {summary.budget} ({state})"))
    else:
        lines.append(("queries", f"0 ({state})"))
    if summary.best_query:
        lines.append(("best loss observed", f"{_number(summary.best_loss)} (query {summary.best_query})"))
    if summary.recommended_loss is not None:
        lines.append(("loss of recommended", _number(summary.recommended_loss)))
    if summary.metric:
        held_out = summary.held_out
        lines += [
            (f"dev {summary.metric}", _beside(held_out.dev_metric, held_out.manual_dev_metric)),
            (f"test {summary.metric}", _beside(held_out.test_metric, held_out.manual_test_metric)),
            ("held-out account", f"{summary.validation.queries} evaluations"),
        ]
    lines += [(name, f"{spent:,}") for name in currencies() if (spent := getattr(summary.spent, name))]
    if not summary.finished and summary.best_query:
        lines.append(("answer so far", f"query {summary.best_query}, for predict, export and run --start-from"))
    notes = {
        "failed queries": summary.failures,
        "repeated queries": summary.spent.repeated,
        "queries without costs": summary.spent.unpriced,
        "rounded otherwise": summary.rounded,
    }
    return [*lines, *((name, str(count)) for name, count in notes.items() if count)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _beside(value: float | None, manual: float | None) -> str:
    return _percent(value) + ("" if manual is None else f" (manual prompt {_percent(manual)})")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
