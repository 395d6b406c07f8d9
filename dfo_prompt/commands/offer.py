"""`dfo-prompt offer`: offers a study's prompt to a running service, which adopts it if it is better on dev."""

from pathlib import Path
from typing import Any

import click

from dfo_prompt.commands.numbers import POSITIVE
from dfo_prompt.console.notes import note_unfinished
from dfo_prompt.errors import InputError, needs_extra
from dfo_prompt.study.best import answer_of


@click.command("offer")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--url", required=True, help="Of the service, as `dfo-prompt serve` prints it.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File with the token, if the service asks for one.")
@click.option("--timeout", type=POSITIVE, default=600.0, show_default=True, help="Seconds for the answer.")
@click.option("--patience", type=POSITIVE, default=60.0, show_default=True, help="Seconds of trying again.")
def command(folder: Path, **service: Any) -> None:
    """Offer the prompt that the study in FOLDER tuned to a service that labels texts with one of the same kind.

    The service scores it on dev itself, beside the one that it serves, and keeps the better one.
    """
    try:
        from dfo_prompt.service import offering  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(needs_extra("offer", "remote")) from error
    answer = answer_of(folder)
    note_unfinished(folder)
    reply = offering.offer(answer.candidate, **service)
    offered, served = (
        f"{prompt.score:.4g}" if prompt.score is not None else "none" for prompt in (reply.offered, reply.served)
    )
    same = reply.prompt == reply.offered.prompt
    outcome = "it is served from now on" if reply.swapped else "it is served already" if same else "the served prompt stays"
    click.echo(f"{reply.metric} on dev: {offered} offered, {served} served; {outcome}")
