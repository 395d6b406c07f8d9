"""`dfo-prompt suite`: many studies from one file."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from shlex import quote
from shutil import get_terminal_size

import click

from dfo_prompt.commands.names import Named
from dfo_prompt.commands.settings import parse_options, parse_settings, tracker_keys
from dfo_prompt.config.reading import merge
from dfo_prompt.console.figures import amounts
from dfo_prompt.console.numbers import duration_text
from dfo_prompt.console.progress import SuiteProgress
from dfo_prompt.console.status import print_status
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError, StudyError, needs_extra
from dfo_prompt.plugin.entries import arguments_of
from dfo_prompt.report.beside import only_new
from dfo_prompt.report.packed import packed_file, read_packed
from dfo_prompt.report.texts import counted
from dfo_prompt.report.tracked import track_suite
from dfo_prompt.suite.executor import PROCESSES, Event
from dfo_prompt.suite.folder import check_same, is_finished
from dfo_prompt.suite.plan import Plan, Suite, slug
from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.suite.run import probe_suite, run_suite
from dfo_prompt.suite.status import read_status

WIDEST = 100
"""The most characters of a line, even on a wider terminal."""


@click.group("suite")
def command() -> None:
    """Compare optimizers: run the studies of a suite file, and report the comparison."""


@command.command("run")
@click.argument("suite_file", metavar="SUITE.toml", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Suite folder [default: below runs/].")
@click.option("--jobs", type=click.IntRange(min=1), help="Studies at a time [default: 1; of a cluster, what has room].")
@click.option(
    "--executor",
    type=Named("executors"),
    default=PROCESSES,
    show_default=True,
    help="What runs them: see `dfo-prompt list executors`.",
)
@click.option("--executor-option", "given", multiple=True, metavar="KEY=VALUE", help="An option of the executor.")
@click.option("--model", help="Model of all studies, instead of the file's; takes the file's [variants.MODEL] with it.")
@click.option(
    "--dry-run", is_flag=True, help="Say what it would cost, from two batches a kind of study if those are free, and stop."
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key of every study, whatever the file says.")
@click.option(
    "--tracker", "trackers", multiple=True, type=Named("observers"), help="Follows every study; see list observers."
)
@click.option("--add", multiple=True, type=Named("optimizers"), help="An optimizer that the file does not name.")
@click.option(
    "--beside",
    type=click.Path(path_type=Path),
    help="A report with packed studies, or its studies.json.gz: run only what is not in there, and place it among them.",
)
def run(
    suite_file: Path,
    out: Path | None,
    jobs: int | None,
    executor: str,
    given: tuple[str, ...],
    model: str | None,
    settings: tuple[str, ...],
    trackers: tuple[str, ...],
    add: tuple[str, ...],
    beside: Path | None,
    *,
    dry_run: bool,
) -> None:
    """Run or continue the studies of SUITE.toml.

    Stop at any moment: the same command continues. Optimizers and seeds can be added to the file, and budgets
    can grow; finished studies are not run again.

    With --beside, studies with a packed result do not run: problems, seeds, budgets and data must be the same,
    and the report compares the new studies with the packed ones.
    """
    overrides = merge(tracker_keys(trackers), parse_settings(settings))
    suite = read_suite_file(suite_file, overrides, model=model, add=add)
    folder = out or Path("runs") / (slug(suite.settings.name) + "-beside" * bool(beside))
    packed = read_packed(beside) if beside else None
    if packed and beside:
        suite = only_new(suite, packed, file=suite_file, source=beside)
    options = parse_options(given, "--executor-option")
    arguments_of("executor", executor, options)  # report invalid options before anything else
    check_same(folder, suite)  # a run does so again once the folder is locked
    todo = [plan for plan in suite.plans if not is_finished(folder, plan)]
    if dry_run:
        probed = probe_suite(suite, folder, executor=executor, options=options)
        each = "" if not probed or jobs or executor == PROCESSES else ", one at a time"
        click.echo(_announcement(suite, todo, f"{_cost(probed, todo, jobs or 1)}{each}{_unknown(todo)}"), err=True)
        return
    click.echo(_announcement(suite, todo), err=True)
    others = packed.beside(packed_file(beside)) if packed and beside else None
    with SuiteProgress() as watch:
        errors = run_suite(suite, folder, jobs=jobs, executor=executor, options=options, watch=watch, beside=others)
    track_suite(suite, folder)
    quoted = quote(str(folder))
    click.echo(f"{_outcome(folder)}suite  {folder}/\nreport dfo-prompt suite report {quoted}")
    if errors:
        raise StudyError(f"{len(errors)} of {len(suite.plans)} studies have no result; see dfo-prompt suite status {quoted}")


@command.command("status")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="A row for each study.")
def status(folder: Path, name: str | None, *, every: bool) -> None:
    """Show the progress, speed and errors of the suite in FOLDER, also while another process runs it.

    With the NAME of an optimizer or a problem, or the beginning of a study's id, show each of its studies.
    """
    whole = read_status(folder)
    print_status(whole.only(name) if name else whole, folder, every=every or bool(name))


@command.command("report")
@click.argument("folder", type=click.Path(path_type=Path))
def report(folder: Path) -> None:
    """Write the report of the suite in FOLDER, finished or not: one page, and its tables and pictures as files."""
    page = _write_report()(folder)
    click.echo(f"{_outcome(folder)}{page}")


def _announcement(suite: Suite, todo: list[Plan], cost: str = "") -> str:
    number = sum(plan.queries for plan in todo)
    queries = f", {number:,} queries" if number else ""  # methods without a search do not say how many they ask
    finished = len(suite.plans) - len(todo)
    done = f" ({counted(finished, 'study')} {'is' if finished == 1 else 'are'} finished)" if finished else ""
    return f"{suite.settings.name}: {counted(len(todo), 'study')}{queries}{cost}{done}"


def _outcome(folder: Path) -> str:
    """Return the top of the leaderboard and the verdict, or the reason why there are none."""
    try:
        from dfo_prompt.report.terminal import outcome  # noqa: PLC0415 - brings pandas

        return f"{outcome(folder, width=min(get_terminal_size().columns, WIDEST))}\n\n"
    except ImportError as error:
        return f"no leaderboard: {_missing(error)}\n\n"
    except InputError as error:
        return f"{error}\n\n"


def _write_report() -> Callable[[Path], Path]:
    try:
        from dfo_prompt.report.write import write_report  # noqa: PLC0415 - brings pandas and a plotting library
    except ImportError as error:
        raise InputError(_missing(error)) from error
    return write_report


def _missing(error: ImportError) -> str:
    return f"{needs_extra('a report', 'report')} ({error})"


def _unknown(todo: list[Plan]) -> str:
    methods = sum(not plan.queries for plan in todo)
    return f"; the cost of {counted(methods, 'run')} of methods without a search is unknown" if methods else ""


def _cost(probed: Mapping[str, Event], todo: list[Plan], jobs: int) -> str:
    """Return the estimated time and consumption of studies, based on their probes; "" without any."""
    if not probed:
        return ""
    parts = [(plan, probed[plan.id]) for plan in todo if plan.queries]
    seconds = [plan.queries * event.seconds for plan, event in parts if event.seconds is not None]
    duration = sum(seconds) / jobs if len(seconds) == len(parts) else None
    forecasts = [(plan.queries // plan.config.budget, event.forecast) for plan, event in parts if event.forecast]
    accounts = [
        account.times(budgets) for budgets, forecast in forecasts for account in (forecast.search, forecast.validation)
    ]
    used = replace(sum(accounts, Usage()), queries=0)
    spent = [] if duration is None else [f"{duration_text(duration)} in the objective"]
    figures = [*spent, *amounts(used)]
    if not figures:
        return ", whose time and cost are unknown"
    return f", {'' if duration is not None and duration < 1 else 'about '}{', '.join(figures)} for them"
