"""Measures the engine against the textbook loop, against the machine, and against growing sizes, in one command.

    python benchmarks/perf/engine.py --task sst2 --data FOLDER --out benchmarks/results/engine

All ratios come from one run. The table is printed, and written with a picture and the machine's description.
"""

import json
import platform
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import gemm
import numpy as np
import torch
from matplotlib.figure import Figure
from setting import Losses, Setting, few_shot, queries_per_second, seconds, small_model

import dfo_prompt as dp
from dfo_prompt.folder import describe_run
from dfo_prompt.lm.objective import PromptObjective
from dfo_prompt.lm.precision import DTYPES

CHECKED = 3
"""Candidates whose losses are compared."""
GROWTH: dict[str, tuple[int, ...]] = {
    "candidates": (1, 4, 16, 64),
    "examples": (16, 64, 256),
    "prompt tokens": (5, 25, 50, 100),
    "dim": (50, 500, 4000),
}


@click.command()
@click.option("--task", default="tweets", show_default=True, help="Task of the examples.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Its local files.")
@click.option("--shots", default=16, show_default=True, help="Examples a class.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write table, picture and manifest to.")
def main(task: str, data: Path | None, shots: int, out: Path | None) -> None:
    """Measure SmolLM2-135M with 50 prompt tokens, d = 500 and 20 candidates."""
    found, split = few_shot(task, data, shots)
    setting = Setting(lm=small_model(), task=found, data=split)
    objective = setting.objective("auto")
    about = objective.describe()
    more = few_shot(task, data, 256 // len(found.classes))[1]
    loops = measure_loops(setting, lambda count: objective.evaluate(setting.candidates[:count]).losses)
    efficiency = measure_efficiency(setting, str(about["dtype"]), loops[-1]["queries_per_second"])
    figures = {
        "task": f"{task}, {len(split.train)} examples",
        "loops": loops,
        "efficiency": efficiency,
        "growth": measure_growth(replace(setting, data=more), efficiency["dtype"]),
        "deep": measure_deep(setting, efficiency["dtype"]),
        "overhead": measure_overhead(objective),
        "endurance": measure_endurance(),
    }
    print_table(figures)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
        manifest = describe_run({"task": task, "shots": shots}, about, {})
        threads = {"threads": torch.get_num_threads(), "processor": processor()}
        (out / "manifest.json").write_text(json.dumps({**manifest, **threads}, indent=2) + "\n")
        draw(figures, out / "engine.png")


def measure_loops(setting: Setting, engine: Losses) -> list[dict[str, Any]]:
    """Return rates and losses of the textbook loop in three versions, and of the engine in two."""
    loops = {
        "a textbook, all logits, float32": (setting.textbook(last_only=False), 2),
        "b textbook, last logits, float32": (setting.textbook(last_only=True), 3),
        "c textbook, last logits, bfloat16": (setting.textbook(last_only=True, dtype=torch.bfloat16), 5),
        "d engine, float32": (setting.engine("float32"), 20),
        "e engine, auto": (engine, 20),
    }
    exact = loops["b textbook, last logits, float32"][0](CHECKED)
    rates = {name: queries_per_second(losses, count, rounds=2) for name, (losses, count) in loops.items()}
    slowest = next(iter(rates.values()))
    return [
        {
            "loop": name,
            "queries_per_second": rate,
            "times_a": rate / slowest,
            "largest_difference_in_loss": float(np.abs(loops[name][0](CHECKED) - exact).max()),
        }
        for name, rate in rates.items()
    ]


def measure_efficiency(setting: Setting, dtype: str, rate: float) -> dict[str, Any]:
    """Return what share of the machine's speed at these products the engine reaches."""
    tokens = setting.tokens + sum(map(len, setting.texts))
    ceiling = gemm.seconds(setting.lm.model, tokens, DTYPES[dtype])
    needed = gemm.flops(setting.lm.model, tokens)
    return {
        "dtype": dtype,
        "tokens_a_query": tokens,
        "teraflops_needed": needed / 1e12,
        "teraflops_a_second": needed * rate / 1e12,
        "ceiling_teraflops_a_second": needed / ceiling / 1e12,
        "share_of_ceiling": ceiling * rate,
    }


def measure_growth(setting: Setting, dtype: str) -> dict[str, list[dict[str, float]]]:
    """Return rates against each size, the others being 32 examples, 50 prompt tokens, d = 500 and 8 candidates."""
    base = setting.with_examples(32)
    engine = base.engine(dtype)
    rates = {"candidates": [_point(n, queries_per_second(engine, n, rounds=1)) for n in GROWTH["candidates"]]}
    varied: dict[str, Callable[[int], Setting]] = {
        "examples": setting.with_examples,
        "prompt tokens": lambda n: replace(base, tokens=n),
        "dim": lambda n: replace(base, dim=n),
    }
    for name, vary in varied.items():
        rates[name] = [_point(n, queries_per_second(vary(n).engine(dtype), 8, rounds=1)) for n in GROWTH[name]]
    return rates


def measure_deep(setting: Setting, dtype: str, count: int = 20) -> dict[str, float]:
    """Return seconds a query with a prompt in every layer, the candidates differing in one layer, averaged over layers.

    Recomputing everything is what the engine does for candidates that differ in the bottom layer too.
    """
    score, prompts = setting.deep(dtype, count)
    layers = prompts.shape[1]
    score(prompts)
    whole = seconds(lambda: score(prompts)) / count
    resumed = []
    for layer in range(layers // 10, layers, layers // 5):
        some = prompts[:1].repeat(count, 1, 1, 1)
        some[:, layer] = prompts[:, layer]
        score(some[:2])
        resumed.append(seconds(lambda some=some: score(some)) / count)
    return {"seconds_whole": whole, "seconds_resumed": float(np.mean(resumed)), "ratio": float(np.mean(resumed)) / whole}


def measure_overhead(objective: PromptObjective) -> dict[str, float]:
    """Return the seconds of CMA-ES and of the objective in a study of 60 queries at d = 500."""
    spent = dp.minimize(objective, optimizer="cma", budget=60, popsize=20).spent
    return {
        "optimizer_seconds": spent.optimizer_seconds,
        "objective_seconds": spent.objective_seconds,
        "share": spent.optimizer_seconds / (spent.optimizer_seconds + spent.objective_seconds),
    }


def measure_endurance(queries: int = 8000) -> list[dict[str, float]]:
    """Return seconds and memory for each 1,000 queries of a long study with almost no objective: what the loop costs."""
    watch = Watch()
    dp.minimize(dp.create_objective("sphere", dim=500), optimizer="cma:sep", budget=queries, popsize=20, observers=[watch])
    return watch.points


def print_table(figures: dict[str, Any]) -> None:
    """Print everything that was measured."""
    click.echo(f"SmolLM2-135M, {figures['task']}, 50 prompt tokens, d = 500, 20 candidates; {processor()}\n")
    for row in figures["loops"]:
        rate, times, off = row["queries_per_second"], row["times_a"], row["largest_difference_in_loss"]
        click.echo(f"{row['loop']:<36}{rate:8.3f} queries/s {times:7.2f} x a   loss differs by at most {off:.1g}")
    e = figures["efficiency"]
    click.echo(
        f"\nthe engine in {e['dtype']} needs {e['teraflops_needed']:.3f} TFLOP a query and does "
        f"{e['teraflops_a_second']:.2f} TFLOP/s; its products alone would run at {e['ceiling_teraflops_a_second']:.2f}: "
        f"{e['share_of_ceiling']:.0%}"
    )
    for name, points in figures["growth"].items():
        rates = "   ".join(f"{point['size']:.0f}: {point['queries_per_second']:.3g}" for point in points)
        click.echo(f"queries/s by {name:<14} {rates}")
    deep = figures["deep"]
    click.echo(
        f"a prompt in every layer: {deep['seconds_resumed']:.3f} s a query, {deep['ratio']:.2f} of recomputing everything"
    )
    click.echo(f"CMA-ES at d = 500 takes {figures['overhead']['share']:.1%} of a study's time")
    first, last = figures["endurance"][0], figures["endurance"][-1]
    click.echo(
        f"8,000 queries of sep-CMA-ES on the sphere: the first 1,000 in {first['seconds']:.2f} s, the last in "
        f"{last['seconds']:.2f} s; peak memory {first['peak_megabytes']:.0f} and {last['peak_megabytes']:.0f} MB"
    )


def draw(figures: dict[str, Any], path: Path) -> None:
    """Draw the rates of the loops, and of growing sizes."""
    figure = Figure(figsize=(11, 4), layout="constrained", dpi=150)
    bars, growth = figure.subplots(1, 2)
    names = [row["loop"] for row in figures["loops"]][::-1]
    rates = [row["queries_per_second"] for row in figures["loops"]][::-1]
    drawn = bars.barh(names, rates, color=["#0072B2", "#0072B2", "#999999", "#999999", "#999999"])
    bars.bar_label(drawn, [f"{rate:.2f}" for rate in rates], padding=3)
    bars.set(xlabel="queries per second", title=f"SmolLM2-135M, {figures['task']}")
    for name, points in figures["growth"].items():
        sizes, speeds = zip(*((point["size"], point["queries_per_second"]) for point in points), strict=True)
        growth.loglog(sizes, speeds, marker="o", label=name)
    growth.set(xlabel="size", ylabel="queries per second", title="engine, auto")
    growth.legend(frameon=False)
    for axes in (bars, growth):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def processor() -> str:
    """Return what computes: the accelerator's name, or the processor's."""
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    name = getattr(torch.cpu, "get_capabilities", dict)().get("cpu_name", platform.processor() or platform.machine())
    return f"{name}, {torch.get_num_threads()} threads"


def _point(size: int, rate: float) -> dict[str, float]:
    return {"size": size, "queries_per_second": rate}


class Watch:
    """Notes the time and the memory at every 1,000 queries."""

    def __init__(self) -> None:
        self.points: list[dict[str, float]] = []

    def study_started(self, info: object) -> None:  # noqa: ARG002
        """Start the clock."""
        self._started = perf_counter()

    def batch_evaluated(self, batch: dp.Batch) -> None:
        """Note a point."""
        if batch.queries % 1000 == 0:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            self.points.append(
                {"queries": batch.queries, "seconds": perf_counter() - self._started, "peak_megabytes": memory}
            )
            self._started = perf_counter()

    def study_finished(self, result: object) -> None:
        """Do nothing."""


if __name__ == "__main__":
    main()
