"""Builds the optimizers inside of others."""

from typing import Any

from dfo_prompt.run.factory import create_optimizer
from dfo_prompt.study.checked_optimizer import CheckedOptimizer


def wrapped(name: str, **settings: Any) -> CheckedOptimizer:
    """Build an optimizer that a wrapper drives, held to its contract as the wrapper itself is.

    Otherwise, an optimizer that writes into the arrays it is told would change the wrapper's best point.

    Raises:
        InputError, PluginError: see `create_optimizer`.
    """
    return CheckedOptimizer(create_optimizer(name, **settings), name=name)
