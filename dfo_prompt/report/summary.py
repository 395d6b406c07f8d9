"""Summarizes a study folder, finished or not."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dfo_prompt._util.parsing import STRICT, parse
from dfo_prompt.config.study import STUDY
from dfo_prompt.study.costs import Spent, read_spent
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.records import Account, Record, read_records
from dfo_prompt.study.result import HeldOut
from dfo_prompt.study.saved import read_result


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The figures of a study. Losses are training losses; metrics are those of the prompt chosen on dev.

    Attributes:
        best_query: the query of the smallest loss.
        training_seconds: the seconds of the search, without evaluations on dev and test.
        spent: the costs of the queries; `validation`, those of the final evaluation.
        warnings: inconsistent figures of costs.
    """

    __pydantic_config__ = STRICT

    method: str
    optimizer: str
    objective: str
    task: str | None
    model: str | None
    budget: int
    seed: int
    best_loss: float | None
    best_query: int | None
    recommended_loss: float | None
    held_out: HeldOut
    metric: str | None
    training_seconds: float
    failures: int
    spent: Spent
    validation: Spent
    user_bytes: int | None
    peak_bytes: int | None
    rounded: int
    stop_reason: str
    warnings: tuple[str, ...] = ()

    @property
    def queries(self) -> int:
        """Return the queries spent."""
        return self.spent.queries

    @property
    def finished(self) -> bool:
        """Tell whether there is a result."""
        return self.stop_reason != "unfinished"

    @property
    def seconds(self) -> float:
        """Return the seconds of training and of evaluations on dev and test."""
        return self.training_seconds + self.validation.seconds


def summarize(folder: Path, records: Sequence[Record] | None = None) -> Summary:
    """Summarize the study in `folder`; `records` are those of its journal, if already read.

    Raises:
        InputError: `folder` is not a study folder, or a file in it is damaged.
        StudyError: a journal is damaged.
    """
    manifest, result = read_manifest(folder), read_result(folder)
    config, about = manifest["config"], manifest["objective"]
    records = read_records(folder) if records is None else records
    scored = [(record.loss, record.query) for record in records if record.loss is not None]
    best_loss, best_query = min(scored, default=(None, None))
    spent, validation = _accounts(folder, result)
    figures = result or {}
    data = {
        "method": config.get("method", STUDY),
        **{name: config.get(name) for name in ("optimizer", "objective", "budget", "seed")},
        **{name: about.get(name) for name in ("task", "model", "metric")},
        "best_loss": best_loss,
        "best_query": best_query,
        "training_seconds": figures.get("training_seconds", spent.seconds),
        "failures": len(records) - len(scored),
        "held_out": figures.get("held_out") or {},
        "spent": asdict(replace(spent, queries=len(records) or spent.queries)),
        "validation": asdict(validation),
        **{name: figures.get(name) for name in ("recommended_loss", "user_bytes", "peak_bytes")},
        "rounded": figures.get("rounded", 0),
        "stop_reason": figures.get("stop_reason", "unfinished"),
        "warnings": figures.get("warnings", ()),
    }
    return parse(Summary, data, where=str(folder))


def _accounts(folder: Path, result: dict[str, Any] | None) -> tuple[Spent, Spent]:
    if result is None:
        return read_spent(folder), read_spent(folder, Account.VALIDATION)
    where = str(folder / "result.json")
    return parse(Spent, result.get("spent", {}), where=where), parse(Spent, result.get("validation", {}), where=where)
