"""The plan of a suite folder, checked before a report relies on it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from dfo_prompt._util.parsing import parse
from dfo_prompt.config.study import STUDY, Finite, Positive
from dfo_prompt.errors import InputError
from dfo_prompt.report.damage import reading
from dfo_prompt.suite.config import Name, Published
from dfo_prompt.suite.folder import PLAN, read_plan
from dfo_prompt.suite.plan import slug

MOST_CURVE_POINTS = 10**9
"""Studies times queries: a table of 8 GB."""
LENIENT = ConfigDict(extra="ignore", strict=True)


@dataclass(frozen=True, kw_only=True)
class _Config:
    __pydantic_config__ = LENIENT

    budget: Annotated[int, Field(ge=1, le=MOST_CURVE_POINTS)]
    dim: Annotated[int, Field(ge=1, le=10**9)]
    optimizer: str
    sigma: Positive
    objective_options: dict[str, Any]
    optimizer_options: dict[str, Any]
    method: str = STUDY


@dataclass(frozen=True, kw_only=True)
class _Study:
    __pydantic_config__ = LENIENT

    optimizer: Name
    problem: Name
    seed: Annotated[int, Field(ge=0)]
    config: _Config


@dataclass(frozen=True, kw_only=True)
class _Plan:
    __pydantic_config__ = LENIENT

    name: Name
    measure: Literal["test_metric", "recommended_loss", "best_loss"]
    targets: list[Finite]
    practical_difference: Annotated[Finite, Field(ge=0)]
    studies: Annotated[dict[str, _Study], Field(min_length=1)]
    published: list[Published] = field(default_factory=list)


def read_checked_plan(folder: Path) -> dict[str, Any]:
    """Return the plan of the suite in `folder`.

    Raises:
        InputError: there is none, it is damaged, it names folders outside the suite, or it is too large to be compared.
    """
    plan, where = read_plan(folder), folder / PLAN
    with reading(where):
        checked = parse(_Plan, plan, where=str(where))
    for study, one in checked.studies.items():
        if study != f"{slug(one.problem)}/{slug(one.optimizer)}/{one.seed}":
            raise InputError(f"{where} is damaged: {study!r:.100} is not the folder of its problem, optimizer and seed")
    points = len(checked.studies) * max(one.config.budget for one in checked.studies.values())
    if points > MOST_CURVE_POINTS:
        raise InputError(f"{where}: {points:.3g} queries are too many for one report; split the suite")
    return plan
