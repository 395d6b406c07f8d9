"""Summarizes a study folder, finished or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
    def searches(self) -> bool:
        """Tell whether an optimizer chose the queries."""
        return self.method == STUDY or self.spent.optimizer_seconds > 0

    @property
    def finished(self) -> bool:
        """Tell whether there is a result."""
        return self.stop_reason != "unfinished"

    @property
    def seconds(self) -> float:
        """Return the seconds of training and of evaluations on dev and test."""
        return self.training_seconds + self.validation.seconds


@dataclass(frozen=True, kw_only=True)
class StudyFiles:
    """The contents of a study folder: its manifest, the figures of its result, if any, and the records of its journal."""

    manifest: Mapping[str, Any]
    result: Mapping[str, Any] | None
    records: Sequence[Record]


def read_study(folder: Path) -> StudyFiles:
    """Read the study in `folder`.

    Raises:
        InputError: `folder` is not a study folder, or a file in it is damaged.
        StudyError: a journal is damaged.
    """
    return StudyFiles(manifest=read_manifest(folder), records=read_records(folder), result=read_result(folder))


def summarize(folder: Path, files: StudyFiles | None = None) -> Summary:
    """Summarize the study in `folder`; `files` are its contents, if already read.

    Raises:
        InputError, StudyError: see `read_study`.
    """
    files = files or read_study(folder)
    config, about = files.manifest["config"], files.manifest["objective"]
    scored = [(record.loss, record.query) for record in files.records if record.loss is not None]
    best_loss, best_query = min(scored, default=(None, None))
    figures = files.result or {"spent": read_spent(folder), "validation": read_spent(folder, Account.VALIDATION)}
    data = {
        "method": config.get("method", STUDY),
        **{name: config.get(name) for name in ("optimizer", "objective", "budget", "seed")},
        **{name: value if isinstance(value := about.get(name), str) else None for name in ("task", "model", "metric")},
        "best_loss": best_loss,
        "best_query": best_query,
        "training_seconds": figures.get("training_seconds", 0.0),
        "failures": len(files.records) - len(scored) if files.records else figures.get("failures", 0),
        "held_out": figures.get("held_out") or {},
        **{name: figures.get(name, {}) for name in ("spent", "validation")},
        **{name: figures.get(name) for name in ("recommended_loss", "user_bytes", "peak_bytes")},
        "rounded": figures.get("rounded", 0),
        "stop_reason": figures.get("stop_reason", "unfinished"),
        "warnings": figures.get("warnings", ()),
    }
    summary = parse(Summary, data, where=str(folder))
    seconds = summary.training_seconds if "training_seconds" in figures else summary.spent.seconds
    spent = replace(summary.spent, queries=len(files.records) or summary.spent.queries)
    return replace(summary, spent=spent, training_seconds=seconds)
