"""Conformance tests of optimizers, objectives and methods, a test per promise of the contract; and tiny models for tests.

Three lines in a plugin's tests run them:

    from dfo_prompt.testing import OptimizerConformance

    class TestMine(OptimizerConformance):
        names = ("mine",)

`ObjectiveConformance` and `MethodConformance` work the same way. To test any installed optimizer, run
`pytest --dfo-prompt-optimizer NAME`. `dfo_prompt.testing.tiny` makes language models with random weights.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfo_prompt.testing.conformance import OptimizerConformance as OptimizerConformance
    from dfo_prompt.testing.methods import MethodConformance as MethodConformance
    from dfo_prompt.testing.objectives import ObjectiveConformance as ObjectiveConformance

_HOME = {"MethodConformance": "methods", "ObjectiveConformance": "objectives", "OptimizerConformance": "conformance"}

__all__ = sorted(_HOME)  # noqa: PLE0605 - lazy, since pytest imports this package in every run


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
