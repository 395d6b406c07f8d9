"""`dfo-prompt show`: the figures of a study."""

import json
from dataclasses import asdict
from pathlib import Path
from shlex import quote

import click

from dfo_prompt.console.figures import print_summary
from dfo_prompt.errors import InputError
from dfo_prompt.report.summary import summarize
from dfo_prompt.suite.folder import is_suite


@click.command("show")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, *, as_json: bool) -> None:
    """Show the result or the progress of the study in FOLDER."""
    if is_suite(folder):
        quoted = quote(str(folder))
        raise InputError(f"{folder} holds a suite; see dfo-prompt suite status {quoted}, or suite report {quoted}")
    summary = summarize(folder)
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=2))
        return
    print_summary(summary, folder)
