"""Compares text prompts under one budget of tokens: our search for demonstrations, and optimizers of promptolution.

    python benchmarks/service/texts.py --url URL --data sst2/ --promptolution PYTHON --out benchmarks/results/service/texts

URL is a llama.cpp server with its counters switched on (--metrics), which nobody else asks. PYTHON is an interpreter with
promptolution, whose optimizers have a model write instructions: the same that labels. All have the same examples: our search
trains on 16 a class and chooses on as many, theirs search on both. Test examples are unseen, and no part of the budget.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter

import click
from processes import counted, program

from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.prompt.open import open_problem
from dfo_prompt.run.manifest import describe_run
from dfo_prompt.study.identity import read_manifest

OURS = ("random", "cma", "nevergrad:DE")
THEIRS = ("capo", "evoprompt-ga")
CLASSES = ("negative", "positive")
INSTRUCTIONS = Path(__file__).parents[2] / "dfo_prompt" / "prompt" / "text" / "instructions.txt"


@click.command()
@click.option("--url", required=True, help="Address of the server.")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder of SST-2.")
@click.option("--promptolution", type=click.Path(path_type=Path), help="Python with promptolution; without, ours only.")
@click.option("--budget", default=120_000, show_default=True, help="Tokens of each search.")
@click.option("--tests", default=200, show_default=True, help="Unseen examples.")
@click.option("--seed", "seeds", multiple=True, type=int, default=[1], show_default=True, help="May be given often.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write figures and manifest to.")
def main(
    url: str, data: Path, promptolution: Path | None, budget: int, tests: int, seeds: tuple[int, ...], out: Path | None
) -> None:
    """Print test accuracy, tokens and seconds of each search."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for seed in seeds:
            for optimizer in OURS:
                folder = Path(place) / f"{optimizer.replace(':', '-')}-{seed}"
                rows.append(_ours(url, optimizer, data, budget, tests, seed, folder))
                click.echo(json.dumps(rows[-1]))
            for optimizer in THEIRS if promptolution else ():
                setting = _setting(url, optimizer, data, budget, tests, seed)
                rows.append({"optimizer": optimizer, "seed": seed, **_theirs(promptolution, setting, Path(place))})
                click.echo(json.dumps(rows[-1]))
        about = read_manifest(folder)["objective"]
    if out:
        out.mkdir(parents=True, exist_ok=True)
        figures = {"budget_tokens": budget, "load_average": round(os.getloadavg()[0], 1), "rows": rows}
        (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
        (out / "manifest.json").write_text(json.dumps(describe_run({}, about, {}), indent=2) + "\n")


def _ours(url: str, optimizer: str, data: Path, budget: int, tests: int, seed: int, folder: Path) -> dict[str, object]:
    study = ["run", "--preset", "text", "--task", "sst2", "--data", str(data.absolute()), "--shots", "16"]
    study += ["--optimizer", optimizer, "--seed", str(seed), "--budget", "10000", "--limit", f"billed_tokens={budget}"]
    study += ["--test-examples", str(tests), "--validate-every", "1000000"]
    study += ["--endpoint-kind", "llama.cpp", "--endpoint-url", url, "--endpoint-cache", "off", "--endpoint-timeout", "300"]
    study += ["--set", "endpoint.options.cache_prompt=true"]  # as the clients of the others ask for
    before, began = counted(url), perf_counter()
    program(*study, "--out", str(folder), folder=folder.parent)
    result = json.loads((folder / "result.json").read_text())
    return {
        "optimizer": optimizer,
        "seed": seed,
        "test_accuracy": result["held_out"]["test_metric"],
        "tokens": result["spent"]["billed_tokens"],
        "tokens_with_dev_and_test": counted(url) - before,
        "seconds": round(result["spent"]["optimizer_seconds"] + result["spent"]["objective_seconds"], 1),
        "seconds_of_the_process": round(perf_counter() - began, 1),
        "queries": result["spent"]["queries"],
    }


def _setting(url: str, optimizer: str, data: Path, budget: int, tests: int, seed: int) -> dict[str, object]:
    config = ProblemConfig(model="smollm2-135m", task="sst2", data=data, shots=16, test_examples=tests)
    problem = open_problem(config, seed=seed)

    def examples(split: str) -> list[tuple[str, str]]:
        labels = [CLASSES[label] for label in problem.labels(split)]
        return [(text, label) for (text,), label in zip(problem.texts(split), labels, strict=True)]

    lines = INSTRUCTIONS.read_text().splitlines()
    return {
        "url": url,
        "optimizer": optimizer,
        "budget": budget,
        "seed": seed,
        "classes": CLASSES,
        "description": "Tell whether a film review is negative or positive.",
        "instructions": [line.replace("{answers}", " or ".join(CLASSES)) for line in lines],
        "train": [*examples("train"), *examples("dev")],
        "test": examples("test"),
        "block": 16,
        "answer_tokens": 5,
        "instruction_tokens": 100,
    }


def _theirs(python: Path | None, setting: dict[str, object], place: Path) -> dict[str, object]:
    file = place / "setting.json"
    file.write_text(json.dumps(setting))
    command = [str(python), str(Path(__file__).with_name("evolved.py")), str(file)]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603
    answer: dict[str, object] = json.loads(found.splitlines()[-1])
    return answer


if __name__ == "__main__":
    main()
