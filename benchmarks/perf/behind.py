"""Measures the engine with the prompt after the texts, whose keys and values it caches, against the prompt before them.

    python benchmarks/perf/behind.py --task agnews --data FOLDER --out benchmarks/results/behind

`times_textbook` tells how many times as fast as the textbook loop with the prompt at the same place a way is, in processor
seconds: what else the machine does changes them less than the time on the clock, which is written beside. All ratios come
from one run, on one thread unless OMP_NUM_THREADS says otherwise.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from os import getloadavg
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import click
import torch
from setting import Losses, Setting, few_shot, small_model

from dfo_prompt.run.manifest import describe_run

DTYPES = ("float32", "bfloat16")


@click.command()
@click.option("--task", default="agnews", show_default=True, help="Task of the examples.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Its local files.")
@click.option("--shots", default=16, show_default=True, help="Examples a class.")
@click.option("--tokens", "sizes", default=(10, 50), multiple=True, show_default=True, help="Lengths of the prompt.")
@click.option("--rounds", default=1, show_default=True, help="Of each measurement; the best counts.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write figures and manifest to.")
def main(task: str, data: Path | None, shots: int, sizes: tuple[int, ...], rounds: int, out: Path | None) -> None:
    """Measure SmolLM2-135M with d = 200."""
    found, split = few_shot(task, data, shots)
    whole = Setting(lm=small_model(), task=found, data=split, dim=200)
    about: dict[str, Any] = {"task": f"{task}, {len(split.train)} examples", "threads": torch.get_num_threads(), "rows": []}
    for tokens in sizes:
        about["rows"] += measure(replace(whole, tokens=tokens), rounds)
        if out:  # after each length, since long ones take minutes
            out.mkdir(parents=True, exist_ok=True)
            manifest = describe_run({"task": task, "shots": shots}, {}, {})
            (out / "figures.json").write_text(json.dumps({**about, "load": getloadavg()}, indent=2) + "\n")
            (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def measure(setting: Setting, rounds: int) -> list[dict[str, Any]]:
    """Return the time of a query in the textbook loop and in the engine, with the prompt before and after the texts."""
    ways: dict[str, tuple[Setting, Callable[[Setting], Losses]]] = {
        "textbook, ahead, float32": (setting, _textbook),
        "textbook, behind, float32": (setting.behind, _textbook),
        **{f"engine, ahead, {dtype}": (setting, partial(_engine, dtype=dtype)) for dtype in DTYPES},
        **{f"engine, behind, {dtype}": (setting.behind, partial(_engine, dtype=dtype)) for dtype in DTYPES},
    }
    made, rows = {name: make(way) for name, (way, make) in ways.items()}, {}
    for name, losses in made.items():
        exact = rows.get(f"textbook, {name.split(', ')[1]}, float32")
        if name.startswith("engine"):
            losses(1)  # excludes one-time work, such as encoding texts and checking engines
        found, clock, processor = zip(*(_measured(losses) for _ in range(rounds)), strict=True)
        textbook = exact["processor_seconds_a_query"] if exact else min(processor)
        rows[name] = {
            "way": name,
            "prompt_tokens": setting.tokens,
            "processor_seconds_a_query": min(processor),
            "clock_seconds_a_query": min(clock),
            "times_textbook": textbook / min(processor),
            "loss": found[0],
            "difference_in_loss": abs(found[0] - exact["loss"]) if exact else 0.0,
        }
        click.echo(json.dumps(rows[name]))
    return [*rows.values()]


def _textbook(setting: Setting) -> Losses:
    return setting.textbook(last_only=False)


def _engine(setting: Setting, dtype: str) -> Losses:
    return setting.engine(dtype)


def _measured(losses: Losses) -> tuple[float, float, float]:
    """Return the loss of the first candidate, and its wall-clock and processor seconds."""
    clock, processor = perf_counter(), process_time()
    loss = float(losses(1)[0])
    return loss, perf_counter() - clock, process_time() - processor


if __name__ == "__main__":
    main()
