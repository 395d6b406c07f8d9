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


class TestTexts(ObjectiveConformance):
    names = ("text-prompt",)
    dim = 8 + 8  # examples and instructions

    @pytest.fixture(autouse=True)
    def _problem(self, tiny_folder, tiny_task):
        self.where = {"model": str(tiny_folder), "task": str(tiny_task), "shots": 4}

    def build(self, name, seed=1):
        return dp.create_objective(name, dim=self.dim, seed=seed, problem=self.where)


class TestSubstitutions(TestTexts):
    dim = 6

    def build(self, name, seed=1):
        prompt = {"start": "text:it was a film", "projection_options": {"alpha": 4.0}}
        return dp.create_objective(name, dim=self.dim, seed=seed, problem=self.where, prompt=prompt, decoder="tokens")


class Lying(dp.LeastSquares):
    """Says that the loss is half the sum of squares, or that it has no slope, or no curvature."""

    def __init__(self, size, lie):
        super().__init__(size=size)
        object.__setattr__(self, "lie", lie)

    def losses(self, outputs):
        return super().losses(outputs) / (2 if self.lie == "losses" else 1)

    def gradient(self, outputs):
        return super().gradient(outputs) * (self.lie != "gradient")

    def curvature(self, outputs, directions):
        return super().curvature(outputs, directions) * (self.lie != "curvature")


class Misled(ObjectiveConformance):
    dim = 4
    lie = ""

    def build(self, name, seed=1):
        honest = dp.create_objective(name, dim=self.dim, seed=seed)

        class Objective:
            dim, outer = self.dim, Lying(4, self.lie)
            evaluate, evaluate_outputs = honest.evaluate, honest.evaluate_outputs

        return Objective()


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        ("losses", "gives other losses"),
        ("gradient", "gradient of .* is not that"),
        ("curvature", "curvature of .* is not that"),
    ],
)
def test_an_outer_function_that_lies_is_found(lie, message):
    kit = Misled()
    kit.test_outputs_give_the_losses("least-squares:powell")
    kit.lie = lie
    with pytest.raises(AssertionError, match=message):
        kit.test_outputs_give_the_losses("least-squares:powell")
