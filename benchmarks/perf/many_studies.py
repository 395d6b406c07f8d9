"""Measures the overhead of a suite of many studies, step by step.

    python benchmarks/perf/many_studies.py --seeds 100 --folder runs/many

Ten optimizers on ten test functions, ten queries a study: `--seeds 100` makes 10,000 studies, all of them really run. Each
step is a process of its own; its seconds, its processor time without its workers and its peak memory are shown. A folder
that exists is continued, so that a second call measures a finished suite alone.
"""

import json
import multiprocessing
import os
import resource
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import click

from dfo_prompt.commands.suite import command

OPTIMIZERS = (
    "random",
    "cma",
    "cma:passive",
    "cma:sep",
    "nevergrad:DE",
    "nevergrad:OnePlusOne",
    "nevergrad:PSO",
    "pymoo:DE",
    "pymoo:ES",
    "pymoo:GA",
)
OBJECTIVES = (
    "ellipsoid",
    "rastrigin",
    "rosenbrock",
    "sphere",
    "least-squares:boundary",
    "least-squares:brown",
    "least-squares:linear",
    "least-squares:powell",
    "least-squares:rosenbrock",
    "least-squares:tridiagonal",
)
SUITE = """\
name = "many"
seeds = {seeds}
threads = 1
optimizers = {optimizers}
[study]
budget = 10
dim = 20
popsize = 5
[cross]
objective = {objectives}
"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """The costs of a step.

    Attributes:
        own_seconds: processor time of the suite's process, without its workers'.
        megabytes: peak of that process.
    """

    name: str
    seconds: float
    own_seconds: float
    megabytes: float


@click.command()
@click.option("--seeds", default=10, show_default=True, help="A hundred studies each.")
@click.option("--jobs", default=2, show_default=True, help="Studies at a time.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the suite here [default: a temporary folder].")
@click.option("--out", type=click.Path(path_type=Path), help="File to write the figures to, as JSON.")
def main(seeds: int, jobs: int, folder: Path | None, out: Path | None) -> None:
    """Plan, run, continue, show and report a suite of SEEDS times a hundred studies."""
    with TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        file, studies = place / "suite.toml", str(place / "suite")
        names = {"optimizers": list(OPTIMIZERS), "objectives": list(OBJECTIVES), "seeds": list(range(1, seeds + 1))}
        file.write_text(SUITE.format(**{key: json.dumps(value) for key, value in names.items()}))
        again = ["run", str(file), "--out", studies, "--jobs", str(jobs)]
        steps = [
            measured("plan", ["run", str(file), "--out", str(place / "none"), "--dry-run"]),
            measured("run", again),
            measured("continue", again),
            measured("status", ["status", studies]),
            measured("report", ["report", studies]),
        ]
    if out:
        figures = {"studies": seeds * len(OPTIMIZERS) * len(OBJECTIVES), "steps": [asdict(step) for step in steps]}
        out.write_text(json.dumps(figures, indent=2) + "\n")


def measured(name: str, arguments: list[str]) -> Step:
    """Run a command of `dfo-prompt suite` in its own process and return its costs."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        step = pool.submit(_step, name, arguments).result()
    click.echo(f"{name:<9} {step.seconds:>8.1f} s  {step.own_seconds:>7.1f} s of its own  {step.megabytes:>6.0f} MB")
    return step


def _step(name: str, arguments: list[str]) -> Step:
    # The workers' lines would hide the figures; a study that fails ends the measurement by the command's own error.
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        started = perf_counter()
        command.main(arguments, standalone_mode=False)
        took = perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Step(
        name=name,
        seconds=round(took, 2),
        own_seconds=round(used.ru_utime + used.ru_stime, 2),
        megabytes=round(used.ru_maxrss / 1024, 1),
    )


if __name__ == "__main__":
    main()
