"""`dfo-prompt export`: a tuned prompt for other programs."""

from pathlib import Path

import click

from dfo_prompt.console import note_unfinished
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.run.study import reopen


@click.command("export")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--format", "kind", default="peft", show_default=True, help="See list exporters.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder or file [default: below the study].")
def command(folder: Path, kind: str, out: Path | None) -> None:
    """Write the prompt that the study in FOLDER tuned, in a format that list exporters shows.

    An adapter begins with the special tokens that the model's tokenizer puts ahead of a text: give it texts by the task's
    template, tokenised without them (add_special_tokens=False).
    """
    from dfo_prompt.prompt.objective import PromptObjective  # noqa: PLC0415 - brings torch

    spec = catalogue().exporters.find(kind)
    objective, candidate = reopen(folder)
    note_unfinished(folder)
    if not isinstance(objective, PromptObjective):
        raise InputError(f"the study in {folder} tunes no prompt, so there is nothing to export")
    place = out or folder / spec.place
    catalogue().exporters.bound(kind)(objective, candidate, place)
    click.echo(place)
