"""What a SUITE.toml may say, before anything is crossed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from dfo_prompt._util.parsing import STRICT
from dfo_prompt.config.problem import Count
from dfo_prompt.config.study import Finite, Positive

Name = Annotated[str, Field(min_length=1)]
Measure = Literal["test_metric", "recommended_loss", "best_loss"]
Inference = Literal["seeds", "problems"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An optimizer, a method or a problem of a suite: a name, and keys of a study that it sets."""

    __pydantic_config__ = STRICT

    name: Name
    study: dict[str, Any] = field(default_factory=dict)


def _entry(kind: str, given: object) -> object:
    if isinstance(given, str):
        return {"name": given, "study": {} if kind == "problem" else {kind: given}}
    if not isinstance(given, Mapping):
        raise ValueError("neither a name nor a table")  # noqa: TRY004 - what pydantic turns into an error of its own
    if not isinstance(name := given.get("name", given.get(kind)), str):
        raise ValueError("a table without a name")  # noqa: TRY004
    return {"name": name, "study": {key: value for key, value in given.items() if key != "name"}}


Optimizers = list[Annotated[Entry, BeforeValidator(partial(_entry, "optimizer"))]]
Methods = list[Annotated[Entry, BeforeValidator(partial(_entry, "method"))]]
Problems = list[Annotated[Entry, BeforeValidator(partial(_entry, "problem"))]]


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """A combination that is left out: an optimizer, a problem, or one on the other."""

    __pydantic_config__ = STRICT

    optimizer: str | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Published:
    """What others reported for a model.

    Attributes:
        source: who.
        note: what is different there.
        figures: the test metric, by task and name of the entry.
        costs: what it took, likewise.
    """

    __pydantic_config__ = STRICT

    source: str
    model: str
    figures: dict[str, dict[str, str]]
    costs: dict[str, dict[str, str]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class SuiteSettings:
    """How the studies of a suite are run and compared, whatever they are.

    Attributes:
        name: what the report is called.
        published: figures to stand beside ours in the report, where model and task are the same.
        measure: what ranks optimizers: "test_metric", "recommended_loss" (the clean loss of the optimizer's answer) or
            "best_loss" (observed).
        targets: losses that count as reached, for the ECDF; without any, shares of the way from the start to the best loss
            that any study of the problem and seed found.
        practical_difference: smaller ones do not matter (region of practical equivalence): of a metric, or of a score, which
            is the share of the way from the start to the best known loss of problem and seed.
        inference: the sample that conclusions rest on: "seeds" (they hold for these problems, with other seeds) or
            "problems" (they hold for problems like these, which takes many of them).
        threads: of one study; None means the machine's cores. Results can depend on it, not on how many run at once.
        stall_seconds: without progress, after which a study is given up; for a method without queries, its time limit.
        study_seconds: after which a study is stopped; the next run of the suite continues it. None means no limit.
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
    """A suite as its file says, before anything is crossed.

    Attributes:
        study: keys of a study (see `StudyConfig`) that all studies share; `budget` is the primary budget.
        optimizers: what is compared, a name each, or a table with a name and keys of a study; there, `name` is also the
            optimizer's, unless the table or `study` names one, or a preset, whose keys yield to those of `study` too.
        methods: other methods that are compared with them, likewise: a name each, or a table with a name, `method` (the name
            too, unless given) and `method_options`.
        problems: what it is compared on: model, data set, shots, projection.
        cross: lists of values of a study's keys, "problem.task" for instance; every combination of them is a problem, within
            every one of `problems`.
        seeds: repetitions; the same for all, so that split, projection and start are too.
        exclude: combinations that are left out, by the names of optimizer, problem, or both.
        variants: by model, keys of this file that win over the others when `--model` names it.
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
