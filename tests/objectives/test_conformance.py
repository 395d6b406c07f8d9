import pytest

import dfo_prompt as dp
from dfo_prompt import objectives
from dfo_prompt.testing import ObjectiveConformance


class TestFunctions(ObjectiveConformance):
    names = tuple(spec.name for spec in objectives.dfo_prompt_objectives())


class TestNoisy(ObjectiveConformance):
    names = ("sphere",)
    options = {"noise": 0.5}  # noqa: RUF012


class TestPrompts(ObjectiveConformance):
    names = ("prompt", "trigger")
    dim = 6

    @pytest.fixture(autouse=True)
    def _problem(self, tiny_folder, tiny_task):
        self.where = {"model": str(tiny_folder), "task": str(tiny_task), "shots": 4}

    def build(self, name, seed=1):
        return dp.create_objective(name, dim=self.dim, seed=seed, problem=self.where)
