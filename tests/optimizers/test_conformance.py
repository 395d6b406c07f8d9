from dfo_prompt.optimizers import dfo_prompt_optimizers
from dfo_prompt.testing import OptimizerConformance


class TestBuiltIn(OptimizerConformance):
    names = tuple(spec.name for spec in dfo_prompt_optimizers() if not spec.name.endswith(":*"))
