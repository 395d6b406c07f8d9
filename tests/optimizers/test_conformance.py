"""Each built-in optimizer keeps its promises; those of one optimizer of each backend are in the fast lane."""

import pytest

from dfo_prompt import optimizers, wrappers
from dfo_prompt.testing import OptimizerConformance

SPECS = [*optimizers.dfo_prompt_optimizers(), *wrappers.dfo_prompt_optimizers()]
NAMES = tuple(spec.name for spec in SPECS if not spec.name.endswith(":*"))
FEW = ("random", "cma", "nevergrad:OnePlusOne", "pymoo:DE", "blockwise:cma")


class TestOneOfEachBackend(OptimizerConformance):
    names = FEW

    @pytest.mark.slow
    def test_works_in_few_dimensions_with_small_populations(self, name):
        super().test_works_in_few_dimensions_with_small_populations(name)

    @pytest.mark.slow
    def test_lets_the_process_end(self, name):
        super().test_lets_the_process_end(name)


@pytest.mark.slow
class TestOthers(OptimizerConformance):
    names = tuple(name for name in NAMES if name not in FEW)


def test_the_few_are_among_all():
    assert {*FEW} < {*NAMES}
