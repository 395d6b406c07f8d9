"""The figures of a study folder, finished or not."""

from dataclasses import dataclass
from pathlib import Path

from dfo_prompt.config.study import STUDY
from dfo_prompt.study.folder import read_manifest, read_result
from dfo_prompt.study.ledger import Spent, read_records


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
    spent, validation = (Spent(**result.get(name, {})) for name in ("spent", "validation"))
    held_out = result.get("held_out") or {}
    return Summary(
        method=config.get("method", STUDY),
        optimizer=config["optimizer"],
        objective=config["objective"],
        task=about.get("task"),
        model=about.get("model"),
        budget=config["budget"],
        seed=config["seed"],
        queries=len(records) or spent.queries,
        best_loss=min(losses, default=None),
        recommended_loss=result.get("recommended_loss"),
        dev_metric=held_out.get("dev_metric"),
        test_metric=held_out.get("test_metric"),
        manual_dev_metric=held_out.get("manual_dev_metric"),
        manual_test_metric=held_out.get("manual_test_metric"),
        metric=about.get("metric"),
        seconds=result.get("fit_seconds", spent.seconds) + validation.seconds,
        training_seconds=result.get("fit_seconds", spent.seconds),
        optimizer_seconds=spent.optimizer_seconds,
        objective_seconds=spent.objective_seconds,
        failures=len(records) - len(losses),
        repeated_queries=spent.repeated,
        rows=spent.rows,
        tokens=spent.tokens,
        uploaded=spent.uploaded,
        downloaded=spent.downloaded,
        user_bytes=result.get("user_bytes"),
        peak_bytes=result.get("peak_bytes"),
        validation_queries=validation.queries,
        stop_reason=result.get("stop_reason", "unfinished"),
    )
