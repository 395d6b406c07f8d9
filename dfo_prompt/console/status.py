"""The status of a suite as a table that fits a terminal for any number of studies; in a pipe or file nothing is cut."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from shlex import quote

from rich.markup import escape
from rich.table import Table

from dfo_prompt.console.numbers import duration_text, rate_text
from dfo_prompt.console.terminal import terminal
from dfo_prompt.report.pictures.labels import labels_of
from dfo_prompt.report.texts import counted, printable
from dfo_prompt.suite.status import State, StudyStatus, SuiteStatus, rate

MOST_ROWS = 16
"""The most rows of the table; with more groups, a coarser grouping is used."""
MOST_LINES = 5
"""The most lines for running studies, and for errors."""
GAP = 2
"""The spaces between columns."""
SHORTEST = 8
"""The fewest characters of a name, even on a narrow terminal."""
UNLIMITED = 100_000
"""The width where the output is no terminal."""
Rows = dict[str, list[str]]
"""The figures of each row, by its name."""
GROUPINGS = (("problem", "optimizer"), ("optimizer",), ("problem",))
"""The groupings of studies into rows, the finest first."""


def print_status(status: SuiteStatus, folder: Path, *, every: bool = False) -> None:
    """Print the progress, speed and errors of a suite's studies.

    Args:
        status: status of the suite, or of some of its studies.
        folder: suite folder.
        every: True for a row per study.
    """
    console = terminal()
    if not console.is_terminal:
        console.width = UNLIMITED
    for line in _heading(status, folder):
        console.print(escape(printable(line)), soft_wrap=True)
    columns, rows = _studies(status.studies) if every else _table(_groups(status.studies))
    if len(rows) > 1 or every:
        console.print()
        console.print(_fitted(columns, rows, console.width))
    for title, lines in (("running", _running(status)), ("failed", _failed(status))):
        if lines:
            console.print(f"\n[bold]{title}[/bold]")
        for line in lines if every else _first(lines):
            console.print(escape(printable(line)))


def _heading(status: SuiteStatus, folder: Path) -> Iterator[str]:
    counts = ", ".join(f"{count:,} {state}" for state, count in status.counts.items() if count)
    yield f"{status.name}: {counted(len(status.studies), 'study')}; {counts}"
    done, queries = sum(study.queries for study in status.studies), sum(study.total for study in status.studies)
    running = [pace for study in status.studies if study.state is State.RUNNING and (pace := rate([study]))]
    left = status.seconds_left()
    parts = [f"{done:,} of {queries:,} queries ({_percent(done, queries)})"] if queries else []
    parts += [f"{rate_text(sum(running))} a second"] if running else []
    parts += [f"{'' if left < 1 else 'about '}{duration_text(left)} left"] if left else []
    if parts:
        yield ", ".join(parts)
    if status.active and not status.counts[State.RUNNING] and status.elsewhere:
        yield f"none of these studies runs now; others of the suite that run: {status.elsewhere:,}"
    elif status.active and not status.counts[State.RUNNING]:
        yield "a process runs this suite; none of its studies runs at this moment"
    elif not status.active and status.counts[State.FINISHED] < len(status.studies):
        yield "no process of this machine runs it: the same dfo-prompt suite run goes on"
    elif not status.active:
        yield f"next: dfo-prompt suite report {quote(str(folder))}"


def _groups(studies: Sequence[StudyStatus]) -> dict[str, list[StudyStatus]]:
    """Return the studies of each row, by its name, in the finest of `GROUPINGS` that fits a screen."""
    for keys in GROUPINGS:
        groups: dict[str, list[StudyStatus]] = {}
        for study in studies:
            groups.setdefault(" / ".join(getattr(study.plan, key) for key in keys), []).append(study)
        if len(groups) <= MOST_ROWS:
            return groups
    return {}


def _table(groups: dict[str, list[StudyStatus]]) -> tuple[list[str], Rows]:
    """Return the columns of figures and a row per group; each state that occurs has a column."""
    present = {study.state for group in groups.values() for study in group}
    states = [state for state in State if state in present]
    rows: Rows = {}
    for name, group in groups.items():
        counts = [sum(study.state is state for study in group) for state in states]
        done, queries = sum(study.queries for study in group), sum(study.total for study in group)
        cells = [f"{count:,}" if count else "" for count in counts]
        rows[name] = [*cells, _percent(done, queries), _rate(group)]
    return [*states, "queries", "a second"], rows


def _studies(studies: Sequence[StudyStatus]) -> tuple[list[str], Rows]:
    """Return the columns of figures and a row per study."""
    rows: Rows = {study.plan.id: [study.state, _of(study), _rate([study])] for study in studies}
    return ["state", "queries", "a second"], rows


def _fitted(columns: Sequence[str], rows: Rows, width: int) -> Table:
    """Return the table; names longer than what the figures leave of the width lose their middle, and stay distinct."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    table.add_column("", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    used = sum(max(map(len, cells)) + GAP for cells in zip(columns, *rows.values(), strict=True))
    labels = labels_of(rows, max(width - used - GAP, SHORTEST))
    for name, cells in rows.items():
        table.add_row(escape(labels[name]), *cells)
    return table


def _running(status: SuiteStatus) -> list[str]:
    running = [(study, rate([study])) for study in status.studies if study.state is State.RUNNING]
    return [
        f"{study.plan.id}: {_of(study)}"
        + (f", {rate_text(pace)} a second, {duration_text(study.left / pace)} left" if pace else "")
        for study, pace in running
    ]


def _failed(status: SuiteStatus) -> list[str]:
    """Return a line per distinct error, the most frequent first, with its first study and the number of others."""
    studies: dict[str, list[str]] = {}
    for study in status.studies:
        if study.state is State.FAILED:
            studies.setdefault(study.error, []).append(study.plan.id)
    ordered = sorted(studies.items(), key=lambda item: -len(item[1]))
    return [f"{ids[0]}{f' and {len(ids) - 1:,} more' if len(ids) > 1 else ''}: {error}" for error, ids in ordered]


def _first(lines: Sequence[str]) -> Iterable[str]:
    yield from lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        yield f"and {len(lines) - MOST_LINES:,} more; --all shows them"


def _of(study: StudyStatus) -> str:
    queries = study.total
    return f"{study.queries:,} of {queries:,} ({_percent(study.queries, queries)})" if queries else f"{study.queries:,}"


def _rate(studies: Iterable[StudyStatus]) -> str:
    pace = rate(studies)
    return rate_text(pace) if pace else "-"


def _percent(part: int, whole: int) -> str:
    """Return a share in percent, rounded down so that only the whole is 100 %."""
    return f"{100 * part // whole} %" if whole else "-"
