"""Compares a study with a remote service to the same study in a local process, on the task of quickstart.

    python benchmarks/service/remote.py --out benchmarks/results/service/remote

The client runs where importing torch or transformers fails. Bytes are those of the bodies that crossed the wire, memory the
peaks of the two processes, as the efficiency table of a report has them. Server and client run on the same machine.
"""

import json
import os
import tempfile
from pathlib import Path
from time import perf_counter

import click
import numpy as np
from processes import program, serving

from dfo_prompt.run.manifest import describe_run
from dfo_prompt.study.costs import read_spent
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.records import read_records

MIB = 2**20
PROBLEM = ["--task", "bbc-headlines", "--prompt-tokens", "10", "--dtype", "float32", "--test-examples", "200"]
BLOCK = """\
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('torch', 'transformers'): raise ImportError('blocked ' + name)
sys.meta_path.insert(0, Block())
"""


@click.command()
@click.option("--budget", default=60, show_default=True, help="Queries of each study.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write figures and manifest to.")
def main(budget: int, out: Path | None) -> None:
    """Print bytes, seconds and memory, and check that both journals have the same losses."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "lean").mkdir()
        (folder / "lean" / "sitecustomize.py").write_text(BLOCK)
        path = os.pathsep.join([str(folder / "lean"), *filter(None, [os.environ.get("PYTHONPATH")])])
        space = ["--dim", "200", "--seed", "1"]
        search = ["--budget", str(budget), "--popsize", "10", "--sigma", "0.5", "--validate-every", "20"]
        before = os.getloadavg()[0]
        program("run", *PROBLEM, *space, *search, "--out", "local", folder=folder)
        with serving(*PROBLEM, *space, folder=folder) as url:
            ours = ["run", "--objective", "remote", "--set", f"objective.url={url}", *space, *search, "--out", "remote"]
            began = perf_counter()
            program(*ours, folder=folder, env={**os.environ, "PYTHONPATH": path})
            whole = perf_counter() - began
        losses = [np.array([record.loss for record in read_records(folder / name)]) for name in ("local", "remote")]
        studies = {name: figures_of(folder / name) for name in ("local", "remote")}
        worst = float(np.max(np.abs(losses[0] - losses[1])))
        figures = {
            "budget": budget,
            "load_average_before": round(before, 1),
            "largest_difference_of_losses": worst,
            "seconds_of_the_client_process": round(whole, 1),
            **studies,
        }
        about = read_manifest(folder / "local")["objective"]
    click.echo(json.dumps(figures, indent=2))
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
        (out / "manifest.json").write_text(json.dumps(describe_run({}, about, {}), indent=2) + "\n")


def figures_of(folder: Path) -> dict[str, float]:
    """Return the figures of a study's folder."""
    spent, result = read_spent(folder), json.loads((folder / "result.json").read_text())
    return {
        "queries_a_second": round(spent.queries / spent.objective_seconds, 2),
        "upload_bytes_a_query": round(spent.uploaded / spent.queries, 1),
        "download_bytes_a_query": round(spent.downloaded / spent.queries, 1),
        "user_mib": round(result["user_bytes"] / MIB, 1),
        "server_mib": round(result["peak_bytes"] / MIB, 1),
        "test_metric": result["held_out"]["test_metric"],
    }


if __name__ == "__main__":
    main()
