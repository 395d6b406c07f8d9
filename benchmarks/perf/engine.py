"""Measures the engine against the textbook loop and the machine, for growing sizes and many queries.

    python benchmarks/perf/engine.py --task sst2 --data FOLDER --out benchmarks/results/engine

All ratios come from one run. The table is printed, and written with a picture and the machine's description.
"""

import json
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import gemm
import numpy as np
import torch
from long_study import LongStudy, run_long_study
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from setting import Losses, Setting, few_shot, queries_per_second, seconds, small_model

import dfo_prompt as dp
from dfo_prompt.lm.precision import DTYPES
from dfo_prompt.run.manifest import describe_run
from dfo_prompt.types import Vector

ROUNDS = 3
"""The rounds of each measurement; the best is used."""
CHECKED = 3
"""The number of candidates whose losses are compared."""
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
    more = few_shot(task, data, -(-max(GROWTH["examples"]) // len(found.classes)))[1]

    def engine(count: int) -> Vector:
        return objective.evaluate(setting.candidates[:count]).losses

    loops = measure_loops(setting, engine)
    efficiency = measure_efficiency(setting, str(about["dtype"]), engine)
    short = measure_short(setting, str(about["dtype"]))
    figures = {
        "task": f"{task}, {len(split.train)} examples",
        "loops": loops,
        "efficiency": efficiency,
        "growth": measure_growth(replace(setting, data=more), efficiency["dtype"]),
        "deep": measure_deep(setting, efficiency["dtype"]),
        "overhead": measure_overhead(short, loops[-1]["queries_per_second"]),
        "endurance": {"sep-CMA-ES on the sphere": measure_loop().points, "CMA-ES on short prompts": short.points},
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
    rates = dict.fromkeys(loops, 0.0)
    for _ in range(ROUNDS):  # interleaved, so that other load affects all alike
        for name, (losses, count) in loops.items():
            rates[name] = max(rates[name], queries_per_second(losses, count, rounds=1))
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


def measure_efficiency(setting: Setting, dtype: str, engine: Losses) -> dict[str, Any]:
    """Return the engine's share of the machine's speed at these matrix products, from the best rounds."""
    tokens = setting.tokens + sum(map(len, setting.texts))
    needed = gemm.linear(setting.lm.model, tokens) + gemm.attention(setting.lm.model, setting.tokens, setting.texts)
    ceiling, rate = np.inf, 0.0
    for _ in range(ROUNDS):
        ceiling = min(ceiling, gemm.seconds(needed, DTYPES[dtype], setting.lm.device))
        rate = max(rate, queries_per_second(engine, 10, rounds=1))
    flops = gemm.flops(needed)
    return {
        "dtype": dtype,
        "tokens_a_query": tokens,
        "teraflops_needed": flops / 1e12,
        "teraflops_a_second": flops * rate / 1e12,
        "ceiling_teraflops_a_second": flops / ceiling / 1e12,
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
    changed = range(layers // 10, layers, layers // 5)
    whole, best = np.inf, dict.fromkeys(changed, np.inf)
    for _ in range(ROUNDS):
        whole = min(whole, seconds(lambda: score(prompts)) / count)
        for layer in changed:
            some = prompts[:1].repeat(count, 1, 1, 1)
            some[:, layer] = prompts[:, layer]
            score(some[:2])
            best[layer] = min(best[layer], seconds(lambda some=some: score(some)) / count)
    resumed = float(np.mean(list(best.values())))
    return {"seconds_whole": whole, "seconds_resumed": resumed, "ratio": resumed / whole}


def measure_short(setting: Setting, dtype: str, queries: int = 600) -> LongStudy:
    """Run CMA-ES on the engine at d = 500, with 5 prompt tokens and 4 examples: many queries in a short time."""
    short = replace(setting.with_examples(4), tokens=5)
    # From query 200 on: CMA-ES first factors its matrix in the second 100 and then holds a few megabytes more.
    return run_long_study(short.objective(dtype), optimizer="cma", queries=queries, every=queries // 3)


def measure_loop(queries: int = 8000) -> LongStudy:
    """Run sep-CMA-ES with almost no objective: what the loop costs."""
    return run_long_study(dp.create_objective("sphere", dim=500), optimizer="cma:sep", queries=queries, every=queries // 8)


def measure_overhead(short: LongStudy, rate: float) -> dict[str, float]:
    """Return what a study with a folder takes beside its objective, and the share of that at the engine's rate.

    It was measured with short prompts and texts, on which it does not depend.
    """
    query = 1e3 / rate
    return {
        "own_milliseconds_a_query": short.own_milliseconds,
        "optimizer_milliseconds_a_query": short.optimizer_milliseconds,
        "once_seconds": short.once_seconds,
        "engine_milliseconds_a_query": query,
        "share": short.own_milliseconds / (short.own_milliseconds + query),
    }


def print_table(figures: dict[str, Any]) -> None:
    """Print all measurements."""
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
    o = figures["overhead"]
    click.echo(
        f"CMA-ES at d = 500, ledger and journals take {o['own_milliseconds_a_query']:.2f} ms a query beside the engine's "
        f"{o['engine_milliseconds_a_query']:.0f}: {o['share']:.1%} of its queries' time, and {o['once_seconds']:.1f} s once"
    )
    for name, points in figures["endurance"].items():
        first, last = points[0], points[-1]
        click.echo(
            f"{last['queries']:,} queries of {name}: the first {first['queries']:,} in {first['seconds']:.2f} s, the last "
            f"in {last['seconds']:.2f} s; memory held {first['resident_megabytes']} and {last['resident_megabytes']} MB"
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
    growth.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    for axis in (growth.xaxis, growth.yaxis):
        axis.set_major_formatter("{x:g}")
    growth.yaxis.set_minor_formatter("{x:g}")
    growth.legend(frameon=False)
    for axes in (bars, growth):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def processor() -> str:
    """Return the name of the accelerator or processor."""
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    name = getattr(torch.cpu, "get_capabilities", dict)().get("cpu_name", platform.processor() or platform.machine())
    return f"{name}, {torch.get_num_threads()} threads"


def _point(size: int, rate: float) -> dict[str, float]:
    return {"size": size, "queries_per_second": rate}


if __name__ == "__main__":
    main()
