"""The contents of a SUITE.toml, before its studies are crossed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from dfo_prompt._util.parsing import STRICT, Finite, Positive
from dfo_prompt.config.problem import Count

Name = Annotated[str, Field(min_length=1)]
Measure = Literal["test_metric", "recommended_loss", "best_loss"]
Inference = Literal["seeds", "problems"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An optimizer, method or problem of a suite: a name, and the keys of a study that it sets."""

    __pydantic_config__ = STRICT

    name: Name
    study: dict[str, Any] = field(default_factory=dict)


def _entry(kind: str, entry: object) -> object:
    if isinstance(entry, str):
        return {"name": entry, "study": {} if kind == "problem" else {kind: entry}}
    if not isinstance(entry, Mapping):
        raise ValueError("neither a name nor a table")  # noqa: TRY004 - pydantic converts only ValueError
    if not isinstance(name := entry.get("name", entry.get(kind)), str):
        raise ValueError("a table without a name")  # noqa: TRY004
    return {"name": name, "study": {key: value for key, value in entry.items() if key != "name"}}


Optimizers = list[Annotated[Entry, BeforeValidator(partial(_entry, "optimizer"))]]
Methods = list[Annotated[Entry, BeforeValidator(partial(_entry, "method"))]]
Problems = list[Annotated[Entry, BeforeValidator(partial(_entry, "problem"))]]


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Studies to leave out: those of an optimizer, of a problem, or of an optimizer on a problem."""

    __pydantic_config__ = STRICT

    optimizer: str | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Published:
    """Published results for a model.

    Attributes:
        source: citation of the source.
        model: name of the model.
        figures: test metric, by task and name of the entry.
        costs: costs, by task and name of the entry.
        note: differences from this suite.
    """

    __pydantic_config__ = STRICT

    source: str
    model: str
    figures: dict[str, dict[str, str]]
    costs: dict[str, dict[str, str]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class SuiteSettings:
    """Settings for running and comparing the studies of a suite.

    Attributes:
        name: title of the report.
        published: published results to show in the report beside ours for the same model and task.
        measure: measure that ranks optimizers: "test_metric", "recommended_loss" (the clean loss of the optimizer's answer)
            or "best_loss" (observed).
        targets: target losses of the ECDF; by default fractions of the improvement from the start to the best loss of any
            study of the same problem and seed.
        practical_difference: largest difference that does not matter (region of practical equivalence), in the metric, or in
            the score: the fraction of the improvement from the start to the best known loss of problem and seed.
        inference: population that conclusions generalise to: "seeds" (the same problems with other seeds) or "problems"
            (similar problems, which requires many of them).
        threads: threads per study; None means the machine's cores. Results can depend on it, but not on the number of
            parallel studies.
        stall_seconds: seconds after which a study is given up in which it neither ended a query nor used the processor, as
            when it waits for a lock or a server forever. A query may take longer.
        study_seconds: seconds after which a study is stopped; the next run of the suite continues it. None means no limit.
    """

    __pydantic_config__ = STRICT

    name: Name
    published: list[Published] = field(default_factory=list)
    measure: Measure = "recommended_loss"
    targets: list[Finite] = field(default_factory=list)
    practical_difference: Annotated[float, Field(ge=0)] = 0.01
    inference: Inference = "seeds"
    threads: Count | None = None
    stall_seconds: Positive = 1800.0
    study_seconds: Positive | None = None


@dataclass(frozen=True, kw_only=True)
class SuiteConfig(SuiteSettings):
    """The contents of a suite file, before its studies are crossed.

    Attributes:
        study: keys of a study (see `StudyConfig`) shared by all studies; `budget` is the primary budget.
        optimizers: optimizers to compare, each a name, or a table with a name and keys of a study. The name is also the
            optimizer's, unless the table or `study` sets `optimizer`, or the table sets a preset; `study` overrides presets.
        methods: other methods to compare, each a name, or a table with a name, `method` (the name by default) and
            `method_options`.
        problems: problems to compare on: model, data set, shots, projection.
        cross: lists of values for keys of a study, such as "problem.task"; each of `problems` is crossed with every
            combination.
        seeds: seeds of the repetitions, shared by all entries so that they use the same splits, projections and starts.
        exclude: combinations to leave out, by optimizer, problem, or both.
        variants: keys of this file, by model, that override the others if `--model` names the model.
    """

    __pydantic_config__ = STRICT

    optimizers: Optimizers = field(default_factory=list)
    methods: Methods = field(default_factory=list)
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = field(default_factory=lambda: [1, 2, 3, 4, 5])
    study: dict[str, Any] = field(default_factory=dict)
    problems: Problems = field(default_factory=list)
    cross: dict[str, Annotated[list[Any], Field(min_length=1)]] = field(default_factory=dict)
    exclude: list[Exclusion] = field(default_factory=list)
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len({*self.seeds}) < len(self.seeds):
            raise ValueError(f"seeds: {self.seeds} has one of them twice")
