"""The figures of studies as lines and as a table."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from dfo_prompt._util.money import dollars
from dfo_prompt.config.study import STUDY
from dfo_prompt.console.terminal import terminal
from dfo_prompt.contracts.usage import Usage, currencies
from dfo_prompt.report.summary import Summary
from dfo_prompt.report.texts import are_shares, counted, printable
from dfo_prompt.study.result import METRICS, USUAL, HeldOut
from dfo_prompt.study.saved import read_text

BYTES = ("uploaded", "downloaded")
"""Currencies measured in bytes."""


def print_summary(summary: Summary, folder: Path) -> None:
    """Print the figures of one study."""
    lines = [*_lines(summary), ("folder", str(folder))]
    width = max(len(name) for name, _ in lines)
    console = terminal(soft_wrap=True)
    for name, value in lines:
        console.print(f"[bold]{name:<{width}}[/bold]  {escape(printable(value))}")
    if (text := read_text(folder)) is not None:
        console.print(f"\n{escape(chr(10).join(map(printable, text.splitlines())))}")


def comparison_table(summaries: list[Summary], *, metric: str) -> Table:
    """Build the table that compares studies, with the hand-written prompt as its first row."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("method", no_wrap=True)
    for name in ("queries", "best loss", f"dev {metric}", f"test {metric}", "seconds"):
        table.add_column(name, justify="right")
    manual, shown = summaries[0].held_out, _form([summary.held_out for summary in summaries])
    table.add_row("manual prompt", "0", "", shown(manual.manual_dev_metric), shown(manual.manual_test_metric), "")
    reached = [summary.held_out.test_metric for summary in summaries if summary.held_out.test_metric is not None]
    winner = max(reached, default=None)
    for summary in summaries:
        figures = (shown(summary.held_out.dev_metric), shown(summary.held_out.test_metric), f"{summary.seconds:.0f}")
        loss = "-" if summary.best_loss is None else f"{summary.best_loss:.4f}"
        style = "bold green" if winner is not None and summary.held_out.test_metric == winner else ""
        name = summary.optimizer if summary.method == STUDY else summary.method
        table.add_row(escape(printable(name)), str(summary.queries), loss, *figures, style=style)
    return table


def amounts(usage: Usage) -> list[str]:
    """Return the amount of each currency with a non-zero usage, with its unit."""
    return [text if name == "money" else f"{text} {name.replace('_', ' ')}" for name, text in _amounts(usage)]


def _amounts(usage: Usage) -> list[tuple[str, str]]:
    spent = {name: getattr(usage, name) for name in currencies()}
    return [("money", dollars(n)) if name == "nanodollars" else (name, _amount(name, n)) for name, n in spent.items() if n]


def _amount(name: str, number: int) -> str:
    return f"{number:,} bytes" if name in BYTES else f"{number:,}"


def _lines(summary: Summary) -> list[tuple[str, str]]:
    objective = " / ".join(name for name in (summary.objective, summary.task, summary.model) if name)
    lines = [("method", summary.method), ("objective", objective), *_queries(summary)]
    if summary.best_query:
        lines.append(("best loss observed", f"{_number(summary.best_loss)} (query {summary.best_query})"))
    if summary.recommended_loss is not None:
        lines.append(("loss of recommended", _number(summary.recommended_loss)))
    lines += [*_held_out(summary), *_amounts(summary.spent)]
    if not summary.finished and summary.best_query:
        lines.append(("answer so far", f"query {summary.best_query}, for predict, export and run --start-from"))
    notes = {
        "failed queries": summary.failures,
        "repeated queries": summary.spent.repeated,
        "queries without costs": summary.spent.unpriced,
        "rounded otherwise": summary.rounded,
    }
    lines += [(name, str(count)) for name, count in notes.items() if count]
    return [*lines, *(("warning", message) for message in summary.warnings)]


def _queries(summary: Summary) -> list[tuple[str, str]]:
    state = f"{summary.seconds:.1f} s" if summary.finished else summary.stop_reason
    if not summary.searches:
        return [("queries", f"{summary.queries} ({state})")]
    ended = f", ended by {summary.stop_reason}" if summary.stop_reason not in USUAL else ""
    return [
        ("optimizer", summary.optimizer),
        ("queries", f"{summary.queries} of {summary.budget} ({state}{ended})"),
    ]


def _held_out(summary: Summary) -> list[tuple[str, str]]:
    held_out, count = summary.held_out, summary.validation.queries
    account = [("second account", f"{counted(count, 'evaluation')}, not charged to the budget")] if count else []
    if summary.metric is None and held_out == HeldOut():
        return account
    name, form = (summary.metric, _form([held_out])) if summary.metric else ("metric", _number)
    return [
        (f"dev {name}", _beside(held_out.dev_metric, held_out.manual_dev_metric, form)),
        (f"test {name}", _beside(held_out.test_metric, held_out.manual_test_metric, form)),
        *account,
    ]


def _form(held_out: Sequence[HeldOut]) -> Callable[[float | None], str]:
    """Return the format of metrics: percent where all of them are shares, plain numbers otherwise."""
    return _percent if are_shares(getattr(one, name) for one in held_out for name in METRICS) else _number


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _beside(value: float | None, manual: float | None, form: Callable[[float | None], str]) -> str:
    return form(value) + ("" if manual is None else f" (manual prompt {form(manual)})")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
