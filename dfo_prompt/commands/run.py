"""`dfo-prompt run`: a study, from flags or from a STUDY.toml."""

from pathlib import Path
from typing import Any

import click

from dfo_prompt._util.logs import on_standard_error
from dfo_prompt._util.supervisor import Supervisor
from dfo_prompt.commands.drafts import DRAFT_KEYS, draft_flags, with_drafted_task
from dfo_prompt.commands.limits import set_limits
from dfo_prompt.commands.names import Named
from dfo_prompt.commands.numbers import POSITIVE
from dfo_prompt.commands.settings import (
    TABLES,
    given_keys,
    parse_options,
    parse_settings,
    table_flags,
    tracker_keys,
    with_settings,
)
from dfo_prompt.config.reading import merge, parse_config, read_config
from dfo_prompt.config.study import STUDY, StudyConfig
from dfo_prompt.console.figures import print_summary
from dfo_prompt.console.notes import print_forecast, print_next, print_plan
from dfo_prompt.console.progress import ProgressObserver
from dfo_prompt.errors import InputError
from dfo_prompt.methods.run import run_method
from dfo_prompt.report.summary import summarize
from dfo_prompt.run.budgets import check_limits
from dfo_prompt.run.built import plugin_of
from dfo_prompt.run.forecast import forecast_of
from dfo_prompt.run.growing import check_grown, grown_config
from dfo_prompt.run.objectives import Objectives


@click.command("run")
@click.argument("study", required=False, type=click.Path(path_type=Path))
@click.option("--preset", type=Named("presets"), help="Published settings to start from; see list presets.")
@click.option("--optimizer", type=Named("optimizers"), help="Name of the optimizer [default: cma].")
@click.option("--method", type=Named("methods"), help="Name of another method than a study; see list methods.")
@click.option("--objective", type=Named("objectives"), help="Name of the objective [default: prompt].")
@click.option("--budget", type=int, help="Queries to spend [default: 8000].")
@click.option("--seed", type=int, help="Seed of split, projection, start and optimizer [default: 0].")
@click.option("--dim", type=int, help="Intrinsic dimension d [default: 500].")
@click.option("--popsize", type=int, help="Candidates per ask [default: 20].")
@click.option("--sigma", type=float, help="Initial step size [default: 1].")
@click.option(
    "--bounds", type=float, nargs=2, metavar="LOW HIGH", help="Box of every coordinate, inf for no end [default: none]."
)
@click.option(
    "--validate-every", type=int, help="Queries between looks at dev [default: 100; a tenth of a budget below 1,000]."
)
@table_flags(*TABLES)
@draft_flags
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any key: problem.KEY, prompt.KEY, optimizer.KEY, ...",
)
@click.option("--limit", "limits", multiple=True, metavar="CURRENCY=AMOUNT", help="Of tokens, requests, dollars, ...")
@click.option("--tracker", "trackers", multiple=True, type=Named("observers"), help="Follows the study; see list observers.")
@click.option("--dry-run", is_flag=True, help="Say what it would cost at most, and stop.")
@click.option("--batch-seconds", type=POSITIVE, help="End where a batch takes longer; the same command goes on.")
@click.option("--study-seconds", type=POSITIVE, help="End where this run takes longer; the same command goes on.")
@click.option("--out", type=click.Path(path_type=Path), help="Study folder [default: below runs/].")
@click.option("--start-from", type=click.Path(path_type=Path), help="Study folder, finished or not, whose answer is x0.")
@click.option(
    "--continue-with",
    type=click.Path(path_type=Path),
    help="Labelled examples: with --start-from, go on with that study's settings on the grown training split.",
)
@click.pass_obj
def command(
    supervisor: Supervisor | None,
    /,
    study: Path | None,
    out: Path | None,
    start_from: Path | None,
    continue_with: Path | None,
    settings: tuple[str, ...],
    limits: tuple[str, ...],
    trackers: tuple[str, ...],
    dry_run: bool,
    batch_seconds: float | None,
    study_seconds: float | None,
    **flags: Any,
) -> None:
    """Run a study, or continue it: the same command on the same folder continues where it stopped.

    With --text-column and --label-column, the task is drafted from --data, as new-task does, and needs no file.
    """
    columns = {name: flags.pop(name) for name in DRAFT_KEYS}
    given = merge(given_keys(flags), tracker_keys(trackers))
    given |= {"limits": parse_options(limits, "--limit")} if limits else {}
    overrides = with_settings(given, parse_settings(settings))
    if any(columns.values()):
        overrides = with_drafted_task(overrides, columns, out)
    if continue_with and (study or not start_from):
        raise InputError("--continue-with takes its settings from the study that --start-from names; give that, and no file")
    if continue_with and start_from:
        config = grown_config(start_from, continue_with, overrides)
    else:
        config = read_config(study, overrides) if study else parse_config(overrides, where="command line")
    if dry_run:
        with plugin_of(config):
            print_forecast(forecast_of(config, Objectives()))
        return
    folder = out or Path("runs") / (f"{start_from.name}-continued" if continue_with and start_from else _name(config))
    place = folder.absolute()  # stays valid if the working directory changes
    print_plan(config, folder)
    observers = set_limits(supervisor, batch_seconds=batch_seconds, study_seconds=study_seconds)
    with plugin_of(config), on_standard_error("dfo_prompt"), ProgressObserver() as progress:
        check_limits(config)
        objectives = Objectives()
        if continue_with and start_from:
            check_grown(start_from, objectives.get(config), config)
        run_method(config, out=place, start_from=start_from, observers=[progress, *observers], objectives=objectives)
        objective = objectives.get(config) if config.method == STUDY else None
    summary = summarize(place)
    print_summary(summary, folder)
    print_next(config, summary, folder, objective)


def _name(config: StudyConfig) -> str:
    problem = config.problem.task if config.objective == "prompt" else config.objective
    method = f"{config.optimizer}-b{config.budget}" if config.method == STUDY else config.method
    return f"{Path(str(problem)).stem}-{method}-s{config.seed}".replace(":", "-")
