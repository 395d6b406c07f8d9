"""`dfo-prompt serve`: serves an objective to studies on other machines."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from dfo_prompt._util.logs import on_standard_error
from dfo_prompt.commands.names import Named
from dfo_prompt.commands.settings import given_keys, parse_settings, table_flags, with_settings
from dfo_prompt.config.reading import parse_config
from dfo_prompt.errors import InputError, needs_extra
from dfo_prompt.run.built import objective_of, plugin_of
from dfo_prompt.run.code import code_of
from dfo_prompt.run.reopen import config_of, reopen
from dfo_prompt.service.clients import read_clients
from dfo_prompt.service.wire import ServiceLimits
from dfo_prompt.study.candidates import candidate_hash

if TYPE_CHECKING:
    from dfo_prompt.service.collection import Prompt

DEFINE = {"preset", "plugin", "problem", "prompt", "endpoint", "objective", "objective_options", "seed", "dim"}
"""Keys of a study that define its objective."""
COUNT = click.IntRange(min=1, max=2**31)


@click.command("serve")
@click.option("--from", "source", type=click.Path(path_type=Path), help="Study folder whose prompt labels texts.")
@click.option("--preset", type=Named("presets"), help="Published settings to start from; see list presets.")
@click.option("--objective", type=Named("objectives"), help="Name of the objective [default: prompt].")
@click.option("--seed", type=int, help="Seed of split, projection and start [default: 0].")
@click.option("--dim", type=int, help="Intrinsic dimension d [default: 500].")
@table_flags("problem", "prompt", "endpoint")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any key: problem.KEY, prompt.KEY, objective.KEY."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen at [default: a free one].")
@click.option("--token-file", type=click.Path(path_type=Path), help="Lines NAME TOKEN [BUDGET], one a client.")
@click.option("--trainer", default="", help="Client that may read feedback and offer prompts [default: the only one].")
@click.option("--client-budget", type=COUNT, help="Candidates that a client may have scored, unless its line says.")
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    default="service.sqlite",
    show_default=True,
    help="SQLite file of answers.",
)
@click.option("--most-bytes", type=COUNT, default=ServiceLimits.bytes, show_default=True, help="Largest size of a request.")
@click.option(
    "--most-candidates", type=COUNT, default=ServiceLimits.candidates, show_default=True, help="Candidates a request."
)
@click.option("--most-texts", type=COUNT, default=ServiceLimits.texts, show_default=True, help="Texts a request.")
@click.option(
    "--concurrency", type=COUNT, default=ServiceLimits.concurrency, show_default=True, help="Requests that may wait."
)
@click.option("--gather", is_flag=True, help="Evaluate candidates of several clients in one batch.")
def command(
    source: Path | None,
    host: str,
    port: int,
    token_file: Path | None,
    trainer: str,
    client_budget: int | None,
    store: Path,
    most_bytes: int,
    most_candidates: int,
    most_texts: int,
    concurrency: int,
    gather: bool,
    settings: tuple[str, ...],
    **flags: Any,
) -> None:
    """Serve an objective to studies with `--objective remote`, until Ctrl-C.

    With --from, label texts with a study's prompt as well, take corrected labels, and swap the prompt for a better one.
    """
    try:
        from dfo_prompt.service import serving  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(needs_extra("serve", "serve")) from error
    if token_file is None and not serving.is_loopback(host):
        raise InputError(f"others reach {host}: give --token-file, or leave out --host")
    clients = read_clients(token_file, client_budget, trainer=trainer)
    keys = with_settings(given_keys(flags), parse_settings(settings))
    if source and keys:
        raise InputError(f"--from takes all settings from {source}; leave out {min(keys)}")
    if others := keys.keys() - DEFINE:
        raise InputError(f"{min(others)} is of a study, and changes nothing that is served; leave it out, or give it to run")
    config = config_of(source) if source else parse_config(keys, where="command line")
    limits = ServiceLimits(bytes=most_bytes, candidates=most_candidates, texts=most_texts, concurrency=concurrency)
    with plugin_of(config), on_standard_error("dfo_prompt"), serving.listen(host, port) as at:
        objective, candidate = reopen(source) if source else (objective_of(config), None)
        about = serving.about(config, objective, code_of(config), limits, gather=gather)
        place = f"[{host}]" if ":" in host else host
        address = f"http://{place}:{at.getsockname()[1]}"

        def ready(prompt: "Prompt | None") -> None:
            if prompt and candidate is not None:
                whose = "the study's" if np.array_equal(prompt.candidate, candidate) else "kept from an earlier offer"
                click.echo(f"prompt {candidate_hash(prompt.candidate)}, {about.metric} on dev {prompt.score:.4g}, {whose}")
            click.echo(f"serving {about.objective}, d = {about.dim}, at {address}")

        serving.serve(
            objective, about, at=at, host=host, store=store, clients=clients, ready=ready, candidate=candidate, gather=gather
        )
