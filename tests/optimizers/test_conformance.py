import pytest

from dfo_prompt import optimizers, wrappers
from dfo_prompt.testing import OptimizerConformance

pytestmark = pytest.mark.slow

SPECS = [*optimizers.dfo_prompt_optimizers(), *wrappers.dfo_prompt_optimizers()]


class TestBuiltIn(OptimizerConformance):
    names = tuple(spec.name for spec in SPECS if not spec.name.endswith(":*"))
