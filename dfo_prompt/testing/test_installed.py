"""Collected by `pytest --dfo-prompt-optimizer NAME`."""

from dfo_prompt.testing.conformance import OptimizerConformance


class TestInstalled(OptimizerConformance):
    """The conformance suite of the optimizers named on the command line."""
