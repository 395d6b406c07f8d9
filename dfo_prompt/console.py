"""What a person sees while studies run, and at their end: live progress, tables."""

from datetime import timedelta
from pathlib import Path
from shlex import quote
from time import monotonic

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from dfo_prompt._util.money import dollars
from dfo_prompt.config.study import STUDY, StudyConfig
from dfo_prompt.contracts.usage import Usage, currencies
from dfo_prompt.report.summary import Summary
from dfo_prompt.report.texts import printable
from dfo_prompt.run.forecast import Forecast
from dfo_prompt.study.best import answer_of
from dfo_prompt.study.folder import read_text
from dfo_prompt.study.result import Batch, StudyInfo, StudyResult
from dfo_prompt.suite.state import SuiteState

ON_TASKS = ("prompt", "trigger", "text-prompt")
"""Objectives that score a language model on a task."""
LOG_LINES = 10
"""Lines a study in a log file, where nothing can be redrawn."""
NOTE_WIDTH = len("best 0.1234  12.3 queries/s")
RATED_BATCHES = 3
"""Batches after which a rate is shown: the first ones load and warm up."""


class ProgressObserver:
    """Shows best loss, queries left, rate and time left: a live bar on a terminal, ten lines a study in a log."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
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
        if self._bar.live.is_started:  # however a study ended: a live bar hides the cursor
            self._bar.stop()

    def study_started(self, info: StudyInfo) -> None:
        """Begin a bar."""
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
        note = f"best {best}  {rate:.3g} queries/s" if self._batches >= RATED_BATCHES else f"best {best}"
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
    if (text := read_text(folder)) is not None:
        console.print(f"\n{escape(chr(10).join(map(printable, text.splitlines())))}")


def print_plan(config: StudyConfig, folder: Path) -> None:
    """Say on standard error what a study is about to do, before a model is loaded for it."""
    what = [f"objective {config.objective}", f"d = {config.dim}"]
    if config.method != STUDY or config.objective in ON_TASKS:
        what = [f"{config.problem.model} on {config.problem.task}, {config.problem.shots} shots"]
    if config.method == STUDY:
        if config.objective in ON_TASKS:
            what.append(f"{config.prompt.tokens} prompt tokens, d = {config.dim}")
        what.append(f"{config.optimizer}, {config.budget:,} queries")
    else:
        what.append(f"method {config.method}")
    line = "; ".join([*what, f"seed {config.seed}; folder {folder}"])
    Console(stderr=True, highlight=False, soft_wrap=True).print(escape(printable(line)))


def print_next(summary: Summary, folder: Path) -> None:
    """Name the commands that go on from a finished study."""
    quoted = quote(str(folder))
    steps = [f"dfo-prompt show {quoted}"]
    if summary.metric:
        steps = [f"dfo-prompt predict {quoted} TEXT", f"dfo-prompt export {quoted}"]
    elif summary.finished:
        steps.append(f"dfo-prompt run --start-from {quoted} ...")
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"next: {', or '.join(steps)}", markup=False)


def print_forecast(found: Forecast) -> None:
    """Print what a study will consume at most."""
    console = Console(soft_wrap=True, highlight=False)
    for name, usage, what in (("search", found.search, "queries"), ("held-out", found.held_out, "evaluations")):
        if usage.queries:
            said = ", ".join([f"{usage.queries:,} {what}", *amounts(usage)])
            console.print(f"[bold]{name:<8}[/bold]  at most {said}")
    if not found.estimated:
        console.print("[bold]rest[/bold]      unknown: this gives no estimate of anything but queries")


def amounts(usage: Usage) -> list[str]:
    """Return how much was used of each currency of which something was."""
    return [text if name == "money" else f"{text} {name.replace('_', ' ')}" for name, text in _amounts(usage)]


def _amounts(usage: Usage) -> list[tuple[str, str]]:
    spent = {name: getattr(usage, name) for name in currencies()}
    money = "nanodollars"
    return [("money", dollars(n)) if name == money else (name, f"{n:,}") for name, n in spent.items() if n]


def note_unfinished(folder: Path) -> None:
    """Say on standard error that the study in `folder` is unfinished, if it is, and what stands for its answer."""
    answer = answer_of(folder)
    if not answer.finished:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"study unfinished: best of {answer.queries} queries")


def comparison_table(summaries: list[Summary], *, metric: str) -> Table:
    """Build the table that compares studies, with the hand-written prompt as its first row."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("method", no_wrap=True)
    for name in ("queries", "best loss", f"dev {metric}", f"test {metric}", "seconds"):
        table.add_column(name, justify="right")
    manual = summaries[0].held_out
    table.add_row("manual prompt", "0", "", _percent(manual.manual_dev_metric), _percent(manual.manual_test_metric), "")
    winner = max(summary.held_out.test_metric or 0.0 for summary in summaries)
    for summary in summaries:
        figures = (_percent(summary.held_out.dev_metric), _percent(summary.held_out.test_metric), f"{summary.seconds:.0f}")
        loss = "-" if summary.best_loss is None else f"{summary.best_loss:.4f}"
        style = "bold green" if summary.held_out.test_metric == winner else ""
        name = summary.optimizer if summary.method == STUDY else summary.method
        table.add_row(escape(printable(name)), str(summary.queries), loss, *figures, style=style)
    return table


def _lines(summary: Summary) -> list[tuple[str, str]]:
    state = f"{summary.seconds:.1f} s" if summary.finished else summary.stop_reason
    what = ("objective", " / ".join(name for name in (summary.objective, summary.task, summary.model) if name))
    lines = [("method", summary.method), what]
    if summary.queries or not summary.finished:
        lines.append(("optimizer", summary.optimizer))
        ended = f", ended by {summary.stop_reason}" if summary.stop_reason.startswith("limits.") else ""
        lines.append(("queries", f"{summary.queries} of {summary.budget} ({state}{ended})"))
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
            ("dev and test", f"{summary.validation.queries} evaluations, not charged to the budget"),
        ]
    lines += _amounts(summary.spent)
    if not summary.finished and summary.best_query:
        lines.append(("answer so far", f"query {summary.best_query}, for predict, export and run --start-from"))
    notes = {
        "failed queries": summary.failures,
        "repeated queries": summary.spent.repeated,
        "queries without costs": summary.spent.unpriced,
        "rounded otherwise": summary.rounded,
    }
    lines += [(name, str(count)) for name, count in notes.items() if count]
    return [*lines, *(("warning", said) for said in summary.warnings)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _beside(value: float | None, manual: float | None) -> str:
    return _percent(value) + ("" if manual is None else f" (manual prompt {_percent(manual)})")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
