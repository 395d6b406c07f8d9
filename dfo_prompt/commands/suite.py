"""`dfo-prompt suite`: many studies from one file."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from shutil import get_terminal_size

import click

from dfo_prompt.commands.settings import parse_settings
from dfo_prompt.console import SuiteProgress
from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.suite.folder import check_same, is_finished, read_errors, read_suite_folder
from dfo_prompt.suite.plan import Plan, Suite, slug
from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.suite.run import probe_suite, run_suite

WIDEST = 100
"""Characters of a line, however wide the terminal is."""


@click.group("suite")
def command() -> None:
    """Compare optimizers: run the studies of a suite file, and report what they say."""


@command.command("run")
@click.argument("suite_file", metavar="SUITE.toml", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Suite folder [default: below runs/].")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Studies at a time.")
@click.option("--model", help="Of all studies, instead of the file's; takes the file's [variants.MODEL] with it.")
@click.option("--dry-run", is_flag=True, help="Say what it would cost, from two batches a problem, and stop.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key of every study, whatever the file says.")
def run(
    suite_file: Path, out: Path | None, jobs: int, model: str | None, settings: tuple[str, ...], *, dry_run: bool
) -> None:
    """Run, or continue, the studies of SUITE.toml.

    Stop it at any moment: the same command goes on. Optimizers and seeds that are added to the file are run; what is
    finished is not run again.
    """
    suite = read_suite_file(suite_file, parse_settings(settings), model=model)
    folder = out or Path("runs") / slug(suite.settings.name)
    check_same(folder, suite)
    todo = [plan for plan in suite.plans if not is_finished(folder, plan.id)]
    duration = f", about {_duration(suite, todo, folder, jobs)} for them" if dry_run else ""
    done = f" ({len(suite.plans) - len(todo)} studies are finished)" if len(todo) < len(suite.plans) else ""
    queries = sum(plan.queries for plan in todo)
    click.echo(f"{suite.settings.name}: {len(todo):,} studies, {queries:,} queries{duration}{done}", err=True)
    if dry_run:
        return
    with SuiteProgress() as progress:
        errors = run_suite(suite, folder, jobs=jobs, watch=progress)
    click.echo(f"{_outcome(folder)}suite  {folder}/\nreport dfo-prompt suite report {folder}")
    if errors:
        raise StudyError(f"{len(errors)} of {len(suite.plans)} studies have no result; see dfo-prompt suite status {folder}")


@command.command("status")
@click.argument("folder", type=click.Path(path_type=Path))
def status(folder: Path) -> None:
    """Say which studies of the suite in FOLDER are finished, and what went wrong with others."""
    studies, errors = read_suite_folder(folder).by_id, read_errors(folder)
    finished = [study for study in studies if is_finished(folder, study)]
    click.echo(f"{len(finished)} of {len(studies)} studies finished")
    for study, error in errors.items():
        if study in studies:
            click.echo(f"{study}: {error}")


@command.command("report")
@click.argument("folder", type=click.Path(path_type=Path))
def report(folder: Path) -> None:
    """Write the report of the suite in FOLDER, finished or not: one page, and its tables and pictures as files."""
    read_suite_folder(folder)
    page = _write_report()(folder)
    click.echo(f"{_outcome(folder)}{page}")


def _outcome(folder: Path) -> str:
    """Return the leaderboard's first lines and the verdict, or why there are none."""
    try:
        from dfo_prompt.report.terminal import outcome  # noqa: PLC0415 - brings pandas

        return f"{outcome(folder, width=min(get_terminal_size().columns, WIDEST))}\n\n"
    except ImportError:
        return ""  # the extra of reports is not installed: `suite report` says so
    except InputError as error:
        return f"{error}\n\n"


def _write_report() -> Callable[[Path], Path]:
    try:
        from dfo_prompt.report.write import write_report  # noqa: PLC0415 - brings pandas and a plotting library
    except ImportError as error:
        raise InputError(f"reports need an extra: pip install 'dfo-prompt[report]' ({error})") from error
    return write_report


def _duration(suite: Suite, todo: list[Plan], folder: Path, jobs: int) -> timedelta:
    seconds = probe_suite(suite, folder)
    return timedelta(seconds=round(sum(seconds.get(plan.problem, 0.0) * plan.queries for plan in todo) / jobs))
