"""`dfo-prompt export`: a tuned prompt for other programs."""

from pathlib import Path
from shlex import quote

import click

from dfo_prompt.commands.names import Named
from dfo_prompt.console.notes import note_unfinished
from dfo_prompt.contracts.objective import Textual
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.report.card import write_card
from dfo_prompt.run.reopen import reopen

DEFAULTS = {"soft": "peft", "text": "text"}


@click.command("export")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--format", "kind", type=Named("exporters"), help="See list exporters [default: peft, or text].")
@click.option("--out", type=click.Path(path_type=Path), help="Folder or file [default: below the study].")
def command(folder: Path, kind: str | None, out: Path | None) -> None:
    """Write the prompt that the study in FOLDER tuned, in a format that list exporters shows.

    The folder of the format peft labels texts elsewhere, with peft and transformers alone: an adapter, task.json with the
    labelling rule, classify.py that reads both, and README.md with the study's figures.
    """
    if kind:
        catalogue().exporters.find(kind)
    objective, candidate = reopen(folder)
    note_unfinished(folder)
    takes = _form(objective)
    if not takes:
        raise InputError(f"the study in {folder} tunes no prompt, so there is nothing to export")
    kind = kind or DEFAULTS[takes]
    spec = catalogue().exporters.find(kind)
    if spec.takes != takes:
        fault = f"{kind} is no format for a {takes} prompt, which the study in {folder} tunes"
        raise InputError(f"{fault}; use --format {DEFAULTS[takes]}")
    place = out or folder / spec.place
    catalogue().exporters.bound(kind)(objective, candidate, place)
    if spec.card:
        write_card(folder, place)
        click.echo(f"next, with peft and transformers alone: python {quote(str(place / 'classify.py'))} TEXT", err=True)
    click.echo(place)


def _form(objective: object) -> str:
    """Return the form of the prompts that the objective scores, "soft" or "text"; "" if it scores none."""
    from dfo_prompt.prompt.soft_prompts import SoftPrompts  # noqa: PLC0415 - brings torch

    if isinstance(objective, SoftPrompts):
        return "soft"
    return "text" if isinstance(objective, Textual) else ""
