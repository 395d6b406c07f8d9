"""The configuration of a study, from the flags of `dfo-prompt run` or a STUDY.toml."""

from dataclasses import dataclass, field, replace
from math import log
from typing import Annotated

import numpy as np
from pydantic import Field

from dfo_prompt._util.parsing import STRICT, Finite, Positive, plain_copy, tables
from dfo_prompt.config.bounds import Box, check_box, check_start, default_start, given_to_optimizers, storable
from dfo_prompt.config.endpoint import EndpointConfig
from dfo_prompt.config.limits import Limits
from dfo_prompt.config.paths import FilePath
from dfo_prompt.config.prices import Prices
from dfo_prompt.config.problem import Count, ProblemConfig
from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.config.stop import StopConfig
from dfo_prompt.config.trackers import Trackers
from dfo_prompt.types import Bounds, Json, Options, Vector

STUDY = "study"
"""The name of the method that runs a search by an optimizer."""
WITH_OPTIONS = ("optimizer", "objective", "method")
"""The kinds of entries that a study names in a key of the kind's name, with options in KIND_options."""
MOST_CANDIDATES = 100_000
"""The most candidates per ask: larger populations make the setup of optimizers impractically slow."""


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """The configuration of a study. The defaults are those of Black-Box Tuning (Sun et al., 2022).

    Attributes:
        method: "study", the search by an optimizer; or another name that `dfo-prompt list methods` shows. A method without
            queries uses only seed, problem and dtype.
        optimizer: a name that `dfo-prompt list optimizers` shows.
        objective: a name that `dfo-prompt list objectives` shows.
        seed: seed of split, projection, start and optimizer.
        problem: language model and task, for objectives that use them.
        prompt: construction of the prompt from z, and the loss, for objectives that use them.
        endpoint: server that scores prompts; None runs the model in this process.
        budget: number of queries.
        limits: limits in other currencies of `Usage`, or "dollars", by name; the first limit reached ends the search.
        stop: rules that end the search before its budget: a time limit, patience, a target.
        prices: prices of the service, real or hypothetical.
        dim: d, the intrinsic dimension.
        popsize: candidates per ask; None means 4 + floor(3 ln d), the default of CMA-ES (Hansen, 2016).
        sigma: initial step size, in units of z.
        x0: initial point (d,); None means zero, or, in a coordinate whose bounds exclude zero, the midpoint of two finite
            bounds, or sigma inside a single finite bound.
        bounds: the box [low, high], each a number or a list of d; "inf" or inf means unbounded. None means R^d.
        validate_every: queries between evaluations on dev; None means 100, or a tenth of a budget below 1,000, but at least
            a batch.
        plugin: a Python file with a plugin that the study uses.
        trackers: observers that the study requests, and their options. They do not affect results and are not stored.
        optimizer_options, objective_options, method_options: keyword options, typed by the signature of the target.
    """

    __pydantic_config__ = STRICT

    method: str = STUDY
    optimizer: str = "cma"
    objective: str = "prompt"
    budget: Count = 8000
    limits: Limits | None = None
    stop: StopConfig | None = None
    prices: Prices | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    dim: Count = 500
    popsize: Annotated[int, Field(ge=1, le=MOST_CANDIDATES)] | None = 20
    sigma: Positive = 1.0
    x0: list[Finite] | None = None
    bounds: Box | None = None
    validate_every: Count | None = None
    plugin: FilePath | None = None
    trackers: Trackers = field(default_factory=dict)
    problem: ProblemConfig = field(default_factory=ProblemConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    endpoint: EndpointConfig | None = None
    optimizer_options: Options = field(default_factory=dict)
    objective_options: Options = field(default_factory=dict)
    method_options: Options = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method == STUDY and self.method_options:
            raise ValueError(f"method_options: a study has no option {min(self.method_options)!r}; name a method")
        if self.bounds:
            check_box(self.bounds, self.dim)
        if self.x0 is not None and len(self.x0) != self.dim:
            raise ValueError(f"x0 has {len(self.x0)} coordinates, dim is {self.dim}")
        if self.x0 is not None and self.bounds:
            check_start(self.bounds, self.x0)

    @property
    def start(self) -> Vector:
        """Return the initial point (d,)."""
        return default_start(self.bounds, self.dim, self.sigma) if self.x0 is None else np.array(self.x0, dtype=np.float64)

    @property
    def box(self) -> Bounds | None:
        """Return the bounds in the form that optimizers receive."""
        return given_to_optimizers(self.bounds, self.dim) if self.bounds else None

    def resolved(self) -> "StudyConfig":
        """Return the same study with every default that depends on other keys filled in."""
        popsize = self.popsize or default_popsize(self.dim)
        every = self.validate_every or default_validate_every(popsize, self.budget)
        prices = self.prices.resolved() if self.prices else None
        return replace(self, popsize=popsize, validate_every=every, prices=prices)

    def as_dict(self) -> dict[str, Json]:
        """Return plain data, as in a STUDY.toml, with marked paths; see `dfo_prompt.config.paths`.

        Trackers are left out: they do not affect results, and their options may be secret.
        """
        data = tables(self)
        del data["trackers"]
        data["bounds"] = storable(plain_copy(data["bounds"]))
        if self.stop is None:
            del data["stop"]
        if self.problem.feedback is None:  # folders of earlier versions do not have the key
            del data["problem"]["feedback"]
        plain_data: dict[str, Json] = plain_copy(data)
        return plain_data


def default_popsize(dim: int) -> int:
    """Return 4 + floor(3 ln d), the default population size of CMA-ES (Hansen, 2016, table 1)."""
    return 4 + int(3 * log(dim))


def default_validate_every(popsize: int, budget: int) -> int:
    """Return the default number of queries between evaluations on dev."""
    return max(popsize, min(100, budget // 10))
