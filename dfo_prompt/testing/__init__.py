"""The conformance suite: checks that an optimizer keeps the promises of `dfo_prompt.Optimizer`.

In a plugin's tests, three lines run it:

    from dfo_prompt.testing import OptimizerConformance

    class TestMine(OptimizerConformance):
        names = ("mine",)

and for anything installed: `pytest --dfo-prompt-optimizer NAME`.
"""

from dfo_prompt.testing.conformance import OptimizerConformance

__all__ = ["OptimizerConformance"]
