"""A suite: the studies that are compared, and how. Written to its folder, and read back as the same."""

import json
import re
from dataclasses import asdict, dataclass
from functools import cached_property

from dfo_prompt._util.parsing import STRICT, plain
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.run.objectives import objective_key
from dfo_prompt.suite.config import SuiteSettings
from dfo_prompt.types import Json


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One study of a suite, or what another method has in its place.

    Attributes:
        optimizer: name of the suite's entry, which may be a method; the optimizer itself is `config.optimizer`.
        queries: that it will spend.
    """

    __pydantic_config__ = STRICT

    optimizer: str
    problem: str
    seed: int
    config: StudyConfig
    queries: int

    @property
    def id(self) -> str:
        """Return the folder of the study below "studies"."""
        return f"{slug(self.problem)}/{slug(self.optimizer)}/{self.seed}"

    @property
    def group(self) -> str:
        """Return what tells objectives apart: studies of one group can share theirs."""
        return objective_key(self.config)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A suite with its studies crossed.

    Attributes:
        settings: how they are run and compared.
        plans: the studies.
    """

    __pydantic_config__ = STRICT

    settings: SuiteSettings
    plans: tuple[Plan, ...]

    @property
    def queries(self) -> int:
        """Return the queries of all studies."""
        return sum(plan.queries for plan in self.plans)

    @cached_property
    def by_id(self) -> dict[str, Plan]:
        """Return the studies by their ids."""
        return {plan.id: plan for plan in self.plans}

    def as_dict(self) -> dict[str, Json]:
        """Return plain data: what makes results, and how they are compared."""
        whole = asdict(self)
        for plan in whole["plans"]:  # trackers change no result, and their options may be secret
            del plan["config"]["trackers"]
        data: dict[str, Json] = json.loads(json.dumps(whole, default=plain))
        return data


def slug(name: str) -> str:
    """Return the name as a folder may have it."""
    return re.sub(r"[^\w.+=-]+", "-", name).strip("-.").lower() or "-"
