"""Measures a service process under the load of many concurrent clients.

    python benchmarks/service/load.py --out benchmarks/results/service/load
    python benchmarks/service/load.py --model smollm2-135m --out benchmarks/results/service/load-smollm2

Each client sends a batch of candidates, waits for the answer and sends the next, for a minute. All losses are compared with
those of the same objective in this process, the clients' counts with the server's. Queries a second of the objective without
a service are measured before, in batches of the same size, while the server is not up.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import click
import httpx2
import numpy as np
from processes import serving

from dfo_prompt.config.reading import parse_config
from dfo_prompt.contracts.objective import Objective
from dfo_prompt.run.built import objective_of
from dfo_prompt.run.manifest import describe_run
from dfo_prompt.service.wire import pack
from dfo_prompt.study.checked_objective import describe
from dfo_prompt.testing.tiny import WORDS, save_tiny_model
from dfo_prompt.types import Matrix

TASK = (
    'template = "{text} . it was {answer}"\nsummary = ""\n[labels]\nbad = "bad"\ngood = "good"\n[data]\npath = "films.csv"\n'
)
DIM, SEED = 200, 1
SAME = 1e-6
"""The relative difference of float32 losses between batch sizes."""


@dataclass
class Told:
    """The record of a client: seconds and losses of each request, and its number of refused requests."""

    seconds: list[float] = field(default_factory=list)
    losses: list[list[float]] = field(default_factory=list)
    refused: int = 0


@click.command()
@click.option("--model", help="Model name [default: a tiny random one].")
@click.option("--clients", default=64, show_default=True, help="Clients at once.")
@click.option("--seconds", default=60.0, show_default=True, help="For which they ask.")
@click.option("--batch", default=4, show_default=True, help="Candidates of a request.")
@click.option("--gather", is_flag=True, help="Have the service evaluate candidates of several clients in one batch.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write figures and manifest to.")
def main(model: str | None, clients: int, seconds: float, batch: int, gather: bool, out: Path | None) -> None:
    """Measure throughput and latency, and check that nothing is lost."""
    with tempfile.TemporaryDirectory() as place:
        keys = settings(model, Path(place))
        objective = objective_of(parse_config(keys))
        alone = queries_a_second(objective, batch, seconds=min(seconds, 20.0))
        before = os.getloadavg()[0]
        with serving(*flags(keys), *(["--gather"] if gather else []), folder=Path(place)) as url:
            told, took, counted = asyncio.run(under_load(url, clients, seconds, batch))
        latencies = np.concatenate([client.seconds for client in told])
        worst = largest_difference(objective, told, batch)
        answered = sum(len(client.losses) for client in told) * batch
        figures = {
            "model": model or "a tiny random one",
            "clients": clients,
            "candidates_a_request": batch,
            "gather": gather,
            "seconds": round(took, 1),
            "load_average_before": round(before, 1),
            "queries_a_second": round(answered / took, 1),
            "queries_a_second_in_process": round(alone, 1),
            "share_of_in_process": round(answered / took / alone, 3),
            "milliseconds": {f"p{p}": round(1e3 * float(np.percentile(latencies, p)), 1) for p in (50, 99)},
            "candidates_answered": answered,
            "candidates_counted_by_the_server": counted,
            "refused": sum(client.refused for client in told),
            "largest_relative_difference_of_losses": worst,
        }
        click.echo(json.dumps(figures, indent=2))
        if answered != counted or worst > SAME:
            raise SystemExit("something was lost or changed on the way")
        if out:
            out.mkdir(parents=True, exist_ok=True)
            (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
            manifest = describe_run({}, describe(objective, name="prompt"), {})
            (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def settings(model: str | None, place: Path) -> dict[str, object]:
    """Return the keys of the objective; of a tiny model, its files are written first."""
    prompt = {"tokens": 10, "dtype": "float32"}
    if model:
        problem: Mapping[str, object] = {"model": model, "task": "bbc-headlines", "shots": 4, "test_examples": 50}
    else:
        save_tiny_model(place / "model")
        (place / "films.toml").write_text(TASK)
        drawn = np.random.default_rng(0).choice(WORDS, (80, 8))
        rows = [f"{' '.join(text)},{('bad', 'good')[i % 2]}" for i, text in enumerate(drawn)]
        (place / "films.csv").write_text("\n".join(["text,label", *rows]) + "\n")
        problem = {"model": f"{place}/model", "task": f"{place}/films.toml", "shots": 16, "device": "cpu"}
    return {"dim": DIM, "seed": SEED, "problem": problem, "prompt": prompt}


def flags(keys: Mapping[str, object]) -> list[str]:
    """Return the equivalent flags of `dfo-prompt serve`."""
    found: list[str] = ["--dim", str(DIM), "--seed", str(SEED)]
    for table in ("problem", "prompt"):
        for key, value in dict(keys[table]).items():  # type: ignore[call-overload]
            found += ["--set", f"{table}.{key}={json.dumps(value)}"]
    return found


def candidates_of(client: int, request: int, batch: int) -> Matrix:
    """Return the candidates (B, d) of a request."""
    return 0.5 * np.random.default_rng([client, request]).standard_normal((batch, DIM))


def queries_a_second(objective: Objective, batch: int, *, seconds: float) -> float:
    """Measure the objective without a service."""
    objective.evaluate(candidates_of(0, 0, batch))
    began, done = perf_counter(), 0
    while perf_counter() - began < seconds:
        done += len(objective.evaluate(candidates_of(0, done, batch)).losses)
    return done / (perf_counter() - began)


async def under_load(url: str, clients: int, seconds: float, batch: int) -> tuple[list[Told], float, int]:
    """Run all clients; return their records, the seconds until the last answer, and the server's own counts."""
    limits = httpx2.Limits(max_connections=clients)
    async with httpx2.AsyncClient(base_url=url, timeout=600, limits=limits) as client:
        began = perf_counter()
        told = await asyncio.gather(*(ask(client, number, began + seconds, batch) for number in range(clients)))
        took = perf_counter() - began
        lines = (await client.get("/metrics")).text.splitlines()
    counted = next(line for line in lines if line.startswith('dfo_prompt_candidates_total{replayed="False"}'))
    return told, took, int(float(counted.split()[1]))


async def ask(client: httpx2.AsyncClient, number: int, until: float, batch: int) -> Told:
    """Send requests until the time is over, and repeat each until it is answered."""
    told, request = Told(), 0
    while perf_counter() < until:
        name, block = f"{number}-{request}", pack(candidates_of(number, request, batch))
        began = perf_counter()
        answer = await client.post("/v1/evaluations", json={"id": name, "candidates": block})
        while answer.status_code == httpx2.codes.TOO_MANY_REQUESTS:
            told.refused += 1
            await asyncio.sleep(float(answer.headers["retry-after"]))
            answer = await client.post("/v1/evaluations", json={"id": name, "candidates": block})
        message = answer.raise_for_status().json()
        if message["id"] != name or message["replayed"]:
            raise SystemExit(f"an answer to {message['id']!r} for {name!r}")
        told.seconds.append(perf_counter() - began)
        told.losses.append(message["losses"])
        request += 1
    return told


def largest_difference(objective: Objective, told: list[Told], batch: int) -> float:
    """Return the largest relative difference between a client's loss and the loss of this process."""
    worst = 0.0
    for number, client in enumerate(told):
        for request, losses in enumerate(client.losses):
            here = objective.evaluate(candidates_of(number, request, batch)).losses
            worst = max(worst, float(np.max(np.abs(np.array(losses) - here) / np.abs(here))))
    return worst


if __name__ == "__main__":
    main()
