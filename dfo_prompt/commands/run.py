"""`dfo-prompt run`: one study, from flags or from a STUDY.toml."""

from pathlib import Path
from typing import Any

import click

from dfo_prompt._util.supervisor import Supervisor
from dfo_prompt.commands.limits import set_limits
from dfo_prompt.commands.settings import parse_settings
from dfo_prompt.config.study import DEFAULT_TASK, STUDY, StudyConfig, merge, parse_config, read_config
from dfo_prompt.console import ProgressObserver, print_summary
from dfo_prompt.report.summary import summarize
from dfo_prompt.run.names import check_names
from dfo_prompt.run.study import objective_of, plugin_of, run_study
from dfo_prompt.study.result import Observer

OF_OBJECTIVE = ("model", "task", "data", "shots", "prompt_tokens", "projection", "loss", "dtype", "device", "test_examples")

SECONDS = click.FloatRange(min=0, min_open=True)


@click.command("run")
@click.argument("study", required=False, type=click.Path(path_type=Path))
@click.option("--preset", help="Published settings to start from: bbt, bbt-uniform or bbtv2.")
@click.option("--optimizer", help="Name of the optimizer [default: cma].")
@click.option("--method", help="Name of another method than a study; see list methods.")
@click.option("--objective", help="Name of the objective [default: prompt].")
@click.option("--budget", type=int, help="Queries to spend [default: 8000].")
@click.option("--seed", type=int, help="Of split, projection, start and optimizer [default: 0].")
@click.option("--dim", type=int, help="Intrinsic dimension d [default: 500].")
@click.option("--popsize", type=int, help="Candidates per ask [default: 20].")
@click.option("--sigma", type=float, help="Initial step size [default: 1].")
@click.option("--bounds", type=float, nargs=2, metavar="LOW HIGH", help="Box of every coordinate [default: none].")
@click.option("--validate-every", type=int, help="Queries between two looks at dev.")
@click.option("--model", help="Model name, hub id, folder or GGUF file.")
@click.option("--task", help="Task name or TOML file.")
@click.option("--data", type=click.Path(), help="Local file or folder with the task's examples.")
@click.option("--shots", type=int, help="Training examples per class.")
@click.option("--test-examples", type=int, help="Test on at most this many examples.")
@click.option("--prompt-tokens", type=int, help="Length of the soft prompt.")
@click.option("--projection", help="Name of the projection.")
@click.option("--loss", help="cross_entropy, hinge or accuracy.")
@click.option("--dtype", help="auto, float32, bfloat16 or float16.")
@click.option("--device", help="auto, cpu, cuda, mps or sharded.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="optimizer|objective|method.KEY, or a key above."
)
@click.option("--batch-seconds", type=SECONDS, help="End where a batch takes longer; the same command goes on.")
@click.option("--study-seconds", type=SECONDS, help="End where this run takes longer; the same command goes on.")
@click.option("--out", type=click.Path(path_type=Path), help="Study folder [default: below runs/].")
@click.pass_obj
def command(
    supervisor: Supervisor | None,
    /,
    study: Path | None,
    out: Path | None,
    settings: tuple[str, ...],
    batch_seconds: float | None,
    study_seconds: float | None,
    **flags: Any,
) -> None:
    """Run a study, or continue it: the same command on the same folder goes on where it stopped."""
    overrides = _overrides(flags, settings)
    config = read_config(study, overrides) if study else parse_config(overrides, where="command line")
    folder = out or Path("runs") / _name(config)
    limits = set_limits(supervisor, batch_seconds=batch_seconds, study_seconds=study_seconds)
    with plugin_of(config), ProgressObserver() as progress:
        check_names(config)
        observers: list[Observer] = [progress, *limits]
        if config.method == STUDY:
            run_study(config, objective_of(config), out=folder, observers=observers)
        else:
            from dfo_prompt.methods.run import run_method  # noqa: PLC0415 - brings torch, which a test function does not need

            run_method(config, out=folder, observers=observers)
    print_summary(summarize(folder), folder)


def _overrides(flags: dict[str, Any], settings: tuple[str, ...]) -> dict[str, Any]:
    given = {key: value for key, value in flags.items() if value is not None}
    options = {key: given.pop(key) for key in OF_OBJECTIVE if key in given}
    return merge({**given, "objective_options": options}, parse_settings(settings))


def _name(config: StudyConfig) -> str:
    what = config.objective_options.get("task", DEFAULT_TASK) if config.objective == "prompt" else config.objective
    by = f"{config.optimizer}-b{config.budget}" if config.method == STUDY else config.method
    return f"{Path(str(what)).stem}-{by}-s{config.seed}".replace(":", "-")
