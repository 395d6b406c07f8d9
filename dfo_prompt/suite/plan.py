"""A suite: its studies and the settings of their comparison, as stored in its folder."""

import re
from dataclasses import dataclass
from functools import cached_property

from dfo_prompt._util.parsing import STRICT, plain_copy, tables
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.run.objectives import objective_key
from dfo_prompt.suite.config import SuiteSettings
from dfo_prompt.types import Json


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study of a suite, or a run of another method.

    Attributes:
        optimizer: name of the suite's entry, which may be a method; the optimizer itself is `config.optimizer`.
        problem: name of the problem.
        seed: seed of the study.
        config: configuration of the study.
        queries: number of queries that it will spend.
    """

    __pydantic_config__ = STRICT

    optimizer: str
    problem: str
    seed: int
    config: StudyConfig
    queries: int

    @cached_property
    def id(self) -> str:
        """Return the folder of the study below "studies"."""
        return f"{slug(self.problem)}/{slug(self.optimizer)}/{self.seed}"

    @property
    def group(self) -> str:
        """Return the key of the study's objective: studies of a group can share it."""
        return objective_key(self.config)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A suite with its studies crossed.

    Attributes:
        settings: settings for running and comparing them.
        plans: the studies.
    """

    __pydantic_config__ = STRICT

    settings: SuiteSettings
    plans: tuple[Plan, ...]

    @property
    def queries(self) -> int:
        """Return the total number of queries."""
        return sum(plan.queries for plan in self.plans)

    @cached_property
    def by_id(self) -> dict[str, Plan]:
        """Return the studies by their ids."""
        return {plan.id: plan for plan in self.plans}

    def as_dict(self) -> dict[str, Json]:
        """Return plain data, without trackers."""
        whole = tables(self)
        for plan in whole["plans"]:  # trackers do not affect results, and their options may be secret
            del plan["config"]["trackers"]
        data: dict[str, Json] = plain_copy(whole)
        return data


def slug(name: str) -> str:
    """Return the name in a form that is safe as a folder name."""
    return re.sub(r"[^\w.+=-]+", "-", name).strip("-.").lower() or "-"
