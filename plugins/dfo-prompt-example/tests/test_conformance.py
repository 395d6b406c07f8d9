from dfo_prompt.testing import OptimizerConformance


class TestConformance(OptimizerConformance):
    names = ("example",)
