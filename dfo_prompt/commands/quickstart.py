"""`dfo-prompt quickstart`: an end-to-end demo on a real model and real text."""

from math import sqrt
from pathlib import Path
from shlex import quote

import click

from dfo_prompt._util.logs import on_standard_error
from dfo_prompt.config.reading import parse_config
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.console.figures import comparison_table
from dfo_prompt.console.progress import ProgressObserver
from dfo_prompt.console.terminal import terminal
from dfo_prompt.methods.run import run_method
from dfo_prompt.report.convergence import plot_convergence, require_pictures
from dfo_prompt.report.summary import summarize
from dfo_prompt.run.objectives import Objectives
from dfo_prompt.study.identity import check_config
from dfo_prompt.study.saved import read_result

OPTIMIZERS = ("cma", "nevergrad:OnePlusOne", "pymoo:ES", "random")
UNSEEN = 500
"""Test examples."""
NORMAL_97_5 = 1.96
"""The 97.5 % quantile of the standard normal distribution."""
DECODER = "recipe"
"""The method compared with the optimizers: it reads hidden states and does not search."""
SETTINGS = {
    "objective": "prompt",
    "budget": 200,
    "seed": 1,
    "dim": 200,
    "popsize": 10,
    "sigma": 0.5,
    "validate_every": 20,
    "problem": {"model": "smollm2-135m", "task": "bbc-headlines", "shots": 8, "test_examples": UNSEEN},
    "prompt": {"tokens": 10},
}


@click.command("quickstart")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/quickstart"), show_default=True, help="Folder.")
@click.option("--budget", type=int, default=SETTINGS["budget"], show_default=True, help="Queries for each optimizer.")
@click.option(
    "--seed", type=int, default=SETTINGS["seed"], show_default=True, help="Seed of split, projection and optimizers."
)
def command(out: Path, budget: int, seed: int) -> None:
    """Tune a soft prompt for BBC headlines with four optimizers, each with the same number of queries, and compare them.

    A decoder of hidden states stands beside them, for services that return those.
    """
    require_pictures("quickstart")  # the extra that draws them would be missed only after all studies
    console = terminal(soft_wrap=True)
    settings = {**SETTINGS, "budget": budget, "seed": seed}
    configs = {name: parse_config({**settings, "optimizer": name}, where="quickstart") for name in OPTIMIZERS}
    configs[DECODER] = parse_config({"method": DECODER, "seed": seed, "problem": SETTINGS["problem"]}, where="quickstart")
    folders = {name: out / name.replace(":", "-") for name in configs}
    for name, folder in folders.items():
        check_config(folder, configs[name].as_dict())
    console.print(_introduction(configs["cma"]))
    _run_unfinished(configs, folders)
    summaries = [summarize(folder) for folder in folders.values()]
    title = f"SmolLM2-135M, BBC headlines, {budget} queries each, seed {seed}"
    picture = plot_convergence([folders[name] for name in OPTIMIZERS], out / "convergence.png", title=title)
    console.print()
    console.print(comparison_table(summaries, metric="accuracy"))
    console.print(f"\n{_uncertainty(UNSEEN)}", markup=False)
    console.print(f"\npicture  {picture}\nstudies  {out}/\n\n{_next(folders[DECODER], seed)}", markup=False)


def _run_unfinished(configs: dict[str, StudyConfig], folders: dict[str, Path]) -> None:
    todo = [name for name in configs if read_result(folders[name]) is None]
    if not todo:
        return
    # No spinner: the first run downloads, and pip shows its own progress.
    objectives = Objectives()
    with on_standard_error("dfo_prompt"):
        objectives.get(configs[todo[0]])
    for name in todo:
        with ProgressObserver() as progress:
            run_method(configs[name], out=folders[name], observers=[progress], objectives=objectives)


def _introduction(config: StudyConfig) -> str:
    return (
        f"Tuning a soft prompt of {config.prompt.tokens} tokens (d = {config.dim}) for SmolLM2-135M "
        f"on {config.problem.shots} BBC headlines a class,\n{len(OPTIMIZERS)} optimizers with {config.budget} queries each, "
        "beside a decoder of hidden states, which takes a few.\n"
        "Ctrl-C stops; the same command goes on from there. A first run fetches model and text:\n"
        "96 MB, or more if the hub gives the model.\n"
    )


def _uncertainty(examples: int) -> str:
    points = 100 * NORMAL_97_5 * sqrt(0.25 / examples)
    return (
        f"One seed, {examples} unseen headlines: an accuracy is uncertain by up to {points:.0f} points (95 %). "
        "`dfo-prompt suite run` compares over seeds."
    )


def _next(folder: Path, seed: int) -> str:
    return "\n".join(
        (
            "Try next:",
            f"  dfo-prompt predict {quote(str(folder))} 'Striker signs new deal' 'Bank raises interest rates'",
            f"  dfo-prompt run --task tweets --optimizer cma:sep --budget 300 --dim 200 --prompt-tokens 10 --seed {seed}",
            "  dfo-prompt list optimizers",
        )
    )
