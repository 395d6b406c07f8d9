"""Measures tuning from feedback end to end: a service labels headlines, and feedback tunes its prompt further.

    python benchmarks/service/feedback.py --out benchmarks/results/service/feedback

A prompt for SmolLM2-135M is tuned on a few BBC headlines a class and served. Headlines that no split has arrive in batches,
in the order of the archive's numbers, which has no dates. In each round the service labels a batch and is given the labels,
and a study goes on from the served prompt on all feedback so far; its answer is offered, and served if it is better on dev.
The accuracy of a round is that on its batch before its labels are known, beside that of the first prompt, kept as it was.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import click
import httpx2
from processes import program, serving

from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.prompt.open import open_problem
from dfo_prompt.run.manifest import describe_run
from dfo_prompt.service.wire import pack
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.saved import read_candidate
from dfo_prompt.tasks.examples import Example, read_examples

SEED = 1


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Batches that arrive.")
@click.option("--batch", default=20, show_default=True, help="Headlines of a batch.")
@click.option("--shots", default=4, show_default=True, help="Training examples a class of the first study.")
@click.option("--budget", default=30, show_default=True, help="Queries of each study.")
@click.option("--test-examples", default=100, show_default=True, help="Of each study.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write figures and manifest to.")
def main(rounds: int, batch: int, shots: int, budget: int, test_examples: int, out: Path | None) -> None:
    """Print the accuracy of each round."""
    problem = ProblemConfig(shots=shots, test_examples=test_examples)
    study = ["--budget", str(budget), "--popsize", "10"]
    flags = ["--shots", str(shots), "--test-examples", str(test_examples), "--seed", str(SEED)]
    flags += ["--dim", "200", "--prompt-tokens", "10", "--dtype", "bfloat16"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        program("run", *flags, *study, "--sigma", "0.5", "--out", "study-0", folder=folder)
        with serving("--from", "study-0", folder=folder) as url, httpx2.Client(base_url=url, timeout=600) as client:
            arriving = arrivals(problem, rounds * batch)
            classes = client.get("/v1/about").json()["classes"]
            rows, served = [], "study-0"
            for number in range(1, rounds + 1):
                part = arriving[(number - 1) * batch : number * batch]
                row = one_round(client, folder, part, classes, number=number, served=served, study=study)
                served = f"study-{number}" if row["swapped"] else served
                rows.append(row)
                click.echo(json.dumps(row))
        first = read_manifest(folder / "study-0")
        figures = {
            "settings": {"shots": shots, "batch": batch, "budget": budget},
            "first": result(folder / "study-0"),
            "rounds": rows,
        }
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
        manifest = describe_run({}, first["objective"], {})
        (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def arrivals(problem: ProblemConfig, count: int) -> Sequence[Example]:
    """Return headlines that no split has, all classes side by side, each in the order of the archive's numbers."""
    opened = open_problem(problem, seed=SEED)
    used = {example.texts for part in ("train", "dev", "test") for example in opened.data.part(part)}
    examples = read_examples(opened.task).train
    ranked: list[tuple[float, Example]] = []
    for label in range(len(opened.task.classes)):
        own = [example for example in examples if example.label == label]
        ranked += [(i / len(own), example) for i, example in enumerate(own) if example.texts not in used]
    return [example for _, example in sorted(ranked, key=lambda pair: pair[0])][:count]


def one_round(
    client: httpx2.Client,
    folder: Path,
    part: Sequence[Example],
    classes: Sequence[str],
    *,
    number: int,
    served: str,
    study: Sequence[str],
) -> dict[str, object]:
    """Label a batch, send its true labels, tune on all feedback and offer the answer; return the figures."""
    texts, labels = [[*example.texts] for example in part], [classes[example.label] for example in part]
    with_served = client.post("/v1/predict", json={"texts": texts}).raise_for_status().json()["labels"]
    frozen = {"candidates": pack(read_candidate(folder / "study-0")[None]), "texts": texts}
    probabilities = client.post("/v1/predictions", json=frozen).raise_for_status().json()["probabilities"]
    with_first = [classes[row.index(max(row))] for row in probabilities]
    client.post("/v1/feedback", json={"id": f"round-{number}", "texts": texts, "labels": labels}).raise_for_status()
    feedback, name = folder / f"feedback-{number}.jsonl", f"study-{number}"
    feedback.write_bytes(client.get("/v1/feedback").raise_for_status().content)
    began = perf_counter()
    goes_on = ["--start-from", served, "--continue-with", feedback.name, "--sigma", "0.25", *study, "--out", name]
    program("run", *goes_on, folder=folder)
    seconds = perf_counter() - began
    offered = {"candidate": pack(read_candidate(folder / name)[None])}
    found = client.post("/v1/prompt", json=offered).raise_for_status().json()
    return {
        "round": number,
        "accuracy_served": share(with_served, labels),
        "accuracy_first": share(with_first, labels),
        "training_examples": read_manifest(folder / name)["objective"]["examples"]["train"],
        "seconds": round(seconds, 1),
        "dev_offered": found["offered"],
        "dev_served": found["served"],
        "swapped": found["swapped"],
        **result(folder / name),
    }


def share(found: Sequence[str], right: Sequence[str]) -> float:
    """Return the accuracy of labels."""
    return sum(map(str.__eq__, found, right)) / len(right)


def result(folder: Path) -> dict[str, float]:
    """Return the figures of a study's answer."""
    held_out = json.loads((folder / "result.json").read_text())["held_out"]
    return {name: held_out[name] for name in ("dev_metric", "test_metric", "manual_test_metric")}


if __name__ == "__main__":
    main()
