"""Measures the optimizers' own time per query at d = 500 and 1,000.

    python benchmarks/perf/overhead.py --out benchmarks/results/overhead

Ask and tell run against losses that cost nothing. Ratios are to random search of the same run.
"""

import json
from pathlib import Path
from time import perf_counter

import click
import numpy as np

import dfo_prompt as dp
from dfo_prompt.run.manifest import describe_run

OPTIMIZERS = (
    "random",
    "cma",
    "cma:sep",
    "cma:vd",
    "cma:vkd",
    "cma:lq",
    "cmaes",
    "cmaes:sep",
    "lm:lm-ma-es",
    "lm:lm-cma",
    "zo:es",
    "nevergrad:OnePlusOne",
    "nevergrad:DiagonalCMA",
    "pymoo:ES",
    "pymoo:DE",
)
DIMS = (500, 1000)
POPSIZE = 20


@click.command()
@click.option("--queries", default=1000, show_default=True, help="Of each optimizer in each dimension.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write figures and manifest to.")
def main(queries: int, out: Path | None) -> None:
    """Measure milliseconds a query with a population of 20."""
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for dim in DIMS:
        times = {name: milliseconds(name, dim, queries) for name in OPTIMIZERS}
        figures[str(dim)] = {
            name: {"milliseconds": round(value, 4), "times_random": round(value / times["random"], 1)}
            for name, value in times.items()
        }
        for name, row in figures[str(dim)].items():
            cost = f"{row['milliseconds']:>8.3f} ms a query {row['times_random']:>8.1f} times random"
            click.echo(f"d = {dim:>4}  {name:<24} {cost}")
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / "figures.json").write_text(json.dumps({"popsize": POPSIZE, "queries": queries, "dim": figures}, indent=2))
        (out / "manifest.json").write_text(json.dumps(describe_run({}, {}, {}), indent=2) + "\n")


def milliseconds(name: str, dim: int, queries: int) -> float:
    """Return the mean time of ask and tell per candidate; some optimizers do most work in every tenth batch."""
    optimizer = dp.create_optimizer(name, dim=dim, budget=queries, popsize=POPSIZE, seed=1)
    spent, took = 0, 0.0
    while spent < queries:
        started = perf_counter()
        candidates = optimizer.ask()
        asked = perf_counter() - started
        losses = np.square(candidates).sum(axis=1)
        started = perf_counter()
        optimizer.tell(candidates, losses)
        took += asked + perf_counter() - started
        spent += len(candidates)
    return 1e3 * took / spent


if __name__ == "__main__":
    main()
