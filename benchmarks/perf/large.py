"""Measures 8,000 queries of Black-Box Tuning on a GPU at its published size, the architecture of RoBERTa-large.

    python benchmarks/perf/large.py --out benchmarks/results/large

32 texts of 47 tokens, 16 a class, and a soft prompt of 50 tokens. The textbook loop, the engine and whole studies with their
journals are measured in one run. The weights are random: they cost what trained ones do, and say nothing about losses.
"""

import json
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np
import torch
from engine import processor
from long_study import run_long_study
from setting import Losses, Setting, queries_per_second
from transformers import RobertaConfig, RobertaForMaskedLM

from dfo_prompt.lm.load import LanguageModel, pick_device
from dfo_prompt.run.manifest import describe_run
from dfo_prompt.tasks.examples import Example
from dfo_prompt.tasks.sampling import FewShot
from dfo_prompt.testing.tiny import TASK, WORDS, tiny_tokenizer

LARGE = {
    "vocab_size": 50265,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
"""The sizes of RoBERTa-large (Liu et al., 2019, table 9 and its configuration)."""
LENGTH = 47
"""Tokens of a text with its template, the mask and the marks at both ends."""
FRAME = 6
"""Those of them that the template, the mask and the marks take."""
CHECKED = 3
"""The number of candidates whose losses are compared."""


@click.command()
@click.option("--queries", default=8000, show_default=True, help="Of each study.")
@click.option("--shots", default=16, show_default=True, help="Examples a class.")
@click.option("--layers", default=LARGE["num_hidden_layers"], show_default=True, help="Fewer, to try this script.")
@click.option("--rounds", default=3, show_default=True, help="Of each rate; the best counts.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write figures and manifest to.")
def main(queries: int, shots: int, layers: int, rounds: int, out: Path | None) -> None:
    """Measure the loops, and a study of CMA-ES and one with the efficient setting."""
    bbt = Setting(lm=large_model(layers), task=TASK, data=texts(2 * shots))
    efficient = replace(bbt, tokens=10, dim=200).behind
    figures: dict[str, Any] = {"processor": processor(), "torch": torch.__version__, "layers": layers}
    for name, setting, optimizer in (("bbt", bbt, "cma"), ("efficient", efficient, "structured:cma")):
        figures[name] = {"loops": measure_loops(setting, rounds), "study": measure_study(setting, optimizer, queries)}
        click.echo(json.dumps({name: figures[name]}, indent=2))
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
        (out / "manifest.json").write_text(
            json.dumps(describe_run({"queries": queries, "shots": shots}, {}, {}), indent=2) + "\n"
        )


def large_model(layers: int) -> LanguageModel:
    """Return the model, with a tokenizer that knows few words."""
    torch.manual_seed(0)
    model = RobertaForMaskedLM(RobertaConfig(**{**LARGE, "num_hidden_layers": layers}))
    model = model.eval().requires_grad_(requires_grad=False).to(pick_device("auto"))
    tokenizer = tiny_tokenizer(bos=True, eos=True, mask=True)
    return LanguageModel(name="roberta-large, random", model=model, tokenizer=tokenizer, fingerprint="random", head="masked")


def texts(count: int) -> FewShot:
    """Return random texts, as many of either class."""
    rng = np.random.default_rng(0)
    drawn = [" ".join(rng.choice(WORDS, LENGTH - FRAME)) for _ in range(count)]
    train = tuple(Example(texts=(text,), label=i % 2) for i, text in enumerate(drawn))
    return FewShot(train=train, dev=train[:4], test=train[:1])


def measure_loops(setting: Setting, rounds: int) -> list[dict[str, Any]]:
    """Return rates, their ratios to the textbook loop in float32, and losses beside those of that loop."""
    loops: dict[str, tuple[Losses, int]] = {
        "textbook, float32": (setting.textbook(last_only=False), 5),
        "textbook, bfloat16": (setting.textbook(last_only=False, dtype=torch.bfloat16), 10),
        "engine, float32": (setting.engine("float32"), 10),
        "engine, bfloat16": (setting.engine("bfloat16"), 40),
    }
    exact = next(iter(loops.values()))[0](CHECKED)
    rates = dict.fromkeys(loops, 0.0)
    for _ in range(rounds):  # interleaved, so that other load affects all alike
        for name, (losses, count) in loops.items():
            rates[name] = max(rates[name], queries_per_second(losses, count, rounds=1))
    return [
        {
            "loop": name,
            "queries_per_second": rate,
            "times_textbook": rate / rates["textbook, float32"],
            "largest_difference_in_loss": float(np.abs(loops[name][0](CHECKED) - exact).max()),
        }
        for name, rate in rates.items()
    ]


def measure_study(setting: Setting, optimizer: str, queries: int) -> dict[str, Any]:
    """Return the seconds of a whole study, with its journals, in the precision that it chooses."""
    started = perf_counter()
    objective = setting.objective("auto")
    about = objective.describe()
    study = run_long_study(objective, optimizer=optimizer, queries=queries, every=queries // 4)
    return {
        "queries": queries,
        "seconds": perf_counter() - started,
        "optimizer_milliseconds_a_query": study.optimizer_milliseconds,
        "own_milliseconds_a_query": study.own_milliseconds,
        "points": study.points,
        **{key: about[key] for key in ("engine", "dtype", "dtype_spearman") if key in about},
    }


if __name__ == "__main__":
    main()
