"""`dfo-prompt export`: a tuned prompt for other programs."""

from pathlib import Path

import click

from dfo_prompt.config import parse_config
from dfo_prompt.errors import InputError
from dfo_prompt.folder import read_candidate, read_manifest
from dfo_prompt.run import objective_of, plugin_of


@click.command("export")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--format", "kind", type=click.Choice(["peft", "safetensors"]), default="peft", show_default=True, help="Of what."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder or file [default: below the study].")
def command(folder: Path, kind: str, out: Path | None) -> None:
    """Write the prompt that the study in FOLDER tuned: as an adapter for peft, or as the tensor "prompt" of a file."""
    from dfo_prompt.lm.export import save_for_peft, tuned_prompt  # noqa: PLC0415 - brings torch
    from dfo_prompt.lm.objective import PromptObjective  # noqa: PLC0415

    candidate = read_candidate(folder)
    config = parse_config(read_manifest(folder)["config"], where=str(folder / "manifest.json"))
    with plugin_of(config):
        objective = objective_of(config)
    if not isinstance(objective, PromptObjective):
        raise InputError(f"the study in {folder} tunes no prompt, so there is nothing to export")
    place = out or folder / ("adapter" if kind == "peft" else "prompt.safetensors")
    place.parent.mkdir(parents=True, exist_ok=True)
    if kind == "peft":
        save_for_peft(objective, candidate, place)
    else:
        tuned_prompt(objective, candidate).save(place)
    click.echo(place)
