"""The figures of a study folder, finished or not."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfo_prompt.config import STUDY
from dfo_prompt.folder import read_manifest, read_result
from dfo_prompt.ledger import read_records


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One study in a line. Losses are training losses, metrics those of the prompt chosen on dev."""

    method: str
    optimizer: str
    objective: str
    task: str | None
    model: str | None
    budget: int
    seed: int
    queries: int
    best_loss: float | None
    recommended_loss: float | None
    dev_metric: float | None
    test_metric: float | None
    manual_dev_metric: float | None
    manual_test_metric: float | None
    metric: str | None
    seconds: float
    training_seconds: float
    optimizer_seconds: float
    objective_seconds: float
    failures: int
    repeated_queries: int
    rows: int
    tokens: int
    uploaded: int
    downloaded: int
    user_bytes: int | None
    peak_bytes: int | None
    validation_queries: int
    stop_reason: str


def summarize(folder: Path) -> Summary:
    """Read the study in `folder`.

    Raises:
        InputError: it is not a study folder, or a file in it is damaged.
    """
    manifest, result = read_manifest(folder), read_result(folder) or {}
    config, about = manifest["config"], manifest["objective"]
    records = read_records(folder)
    losses = [record.loss for record in records if record.loss is not None]
    spent, validation = result.get("spent", {}), result.get("validation", {})
    held_out = result.get("held_out") or {}
    return Summary(
        method=config.get("method", STUDY),
        optimizer=config["optimizer"],
        objective=config["objective"],
        task=about.get("task"),
        model=about.get("model"),
        budget=config["budget"],
        seed=config["seed"],
        queries=len(records) or spent.get("queries", 0),
        best_loss=min(losses, default=None),
        recommended_loss=result.get("recommended_loss"),
        dev_metric=held_out.get("dev_metric"),
        test_metric=held_out.get("test_metric"),
        manual_dev_metric=held_out.get("manual_dev_metric"),
        manual_test_metric=held_out.get("manual_test_metric"),
        metric=about.get("metric"),
        seconds=result.get("fit_seconds", _seconds(spent)) + _seconds(validation),
        training_seconds=result.get("fit_seconds", _seconds(spent)),
        optimizer_seconds=spent.get("optimizer_seconds", 0.0),
        objective_seconds=spent.get("objective_seconds", 0.0),
        failures=len(records) - len(losses),
        repeated_queries=spent.get("repeated", 0),
        rows=spent.get("rows", 0),
        tokens=spent.get("tokens", 0),
        uploaded=spent.get("uploaded", 0),
        downloaded=spent.get("downloaded", 0),
        user_bytes=result.get("user_bytes"),
        peak_bytes=result.get("peak_bytes"),
        validation_queries=validation.get("queries", 0),
        stop_reason=result.get("stop_reason", "unfinished"),
    )


def _seconds(account: dict[str, Any]) -> float:
    return float(account.get("optimizer_seconds", 0.0) + account.get("objective_seconds", 0.0))
