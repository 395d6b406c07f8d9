"""Measures the engine with the prompt behind the texts, whose keys and values it keeps, against the prompt ahead of them.

    python benchmarks/perf/behind.py --task agnews --data FOLDER --out benchmarks/results/behind

All ratios come from one run, on one thread unless OMP_NUM_THREADS says otherwise. Processor seconds count: what else the
machine does changes them less than the time on the clock, which is written beside.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import click
import numpy as np
import torch
from setting import Losses, Setting, few_shot, small_model

from dfo_prompt.run.manifest import describe_run

CHECKED = 2
"""Candidates whose losses are compared."""


@click.command()
@click.option("--task", default="agnews", show_default=True, help="Task of the examples.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Its local files.")
@click.option("--shots", default=16, show_default=True, help="Examples a class.")
@click.option("--tokens", "sizes", default=(10, 50), multiple=True, show_default=True, help="Lengths of the prompt.")
@click.option("--rounds", default=2, show_default=True, help="Of each measurement; the best counts.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write figures and manifest to.")
def main(task: str, data: Path | None, shots: int, sizes: tuple[int, ...], rounds: int, out: Path | None) -> None:
    """Measure SmolLM2-135M with d = 200."""
    found, split = few_shot(task, data, shots)
    whole = Setting(lm=small_model(), task=found, data=split, dim=200)
    rows = [row for tokens in sizes for row in measure(replace(whole, tokens=tokens), rounds)]
    if out:
        out.mkdir(parents=True, exist_ok=True)
        about = {"task": f"{task}, {len(split.train)} examples", "threads": torch.get_num_threads(), "rows": rows}
        (out / "figures.json").write_text(json.dumps(about, indent=2) + "\n")
        (out / "manifest.json").write_text(json.dumps(describe_run({"task": task, "shots": shots}, {}, {}), indent=2) + "\n")


def measure(setting: Setting, rounds: int) -> list[dict[str, Any]]:
    """Return rates of the textbook loop and of the engine, with the prompt ahead of the texts and behind."""
    behind = setting.behind
    ways: dict[str, Callable[[], Losses]] = {
        "textbook, all logits, float32": lambda: behind.textbook(last_only=False),
        "engine ahead, float32": lambda: setting.engine("float32"),
        "engine behind, float32": lambda: behind.engine("float32"),
        "engine ahead, bfloat16": lambda: setting.engine("bfloat16"),
        "engine behind, bfloat16": lambda: behind.engine("bfloat16"),
    }
    exact: dict[bool, Any] = {}
    rows = []
    for name, make in ways.items():
        losses = make()
        found = losses(CHECKED)
        if name.startswith("textbook"):
            exact[True] = found
            exact[False] = setting.textbook(last_only=False)(CHECKED)
        count = 1 if name.startswith("textbook") else CHECKED
        clock, processor = zip(*(_seconds(losses, count) for _ in range(rounds)), strict=True)
        off = float(np.abs(found - exact["ahead" not in name]).max())
        rows.append(
            {
                "way": name,
                "prompt_tokens": setting.tokens,
                "processor_seconds_a_query": min(processor),
                "clock_seconds_a_query": min(clock),
                "times_textbook": (rows[0]["processor_seconds_a_query"] if rows else min(processor)) / min(processor),
                "largest_difference_in_loss": off,
            }
        )
        click.echo(json.dumps(rows[-1]))
    return rows


def _seconds(losses: Losses, count: int) -> tuple[float, float]:
    clock, processor = perf_counter(), process_time()
    losses(count)
    return (perf_counter() - clock) / count, (process_time() - processor) / count


if __name__ == "__main__":
    main()
