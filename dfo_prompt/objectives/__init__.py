"""Objectives without a language model: test functions."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.plugin.hookspecs import hookimpl

FUNCTIONS = ("sphere", "ellipsoid", "rosenbrock", "rastrigin")


@hookimpl
def dfo_prompt_objectives() -> Iterable[Spec]:
    """Give the test functions, each also behind a random embedding."""
    target = "dfo_prompt.objectives.functions:build_function"
    for name in FUNCTIONS:
        plain = f"{name.capitalize()}, minimum at a random point."
        yield Spec(name=name, target=target, options={"function": name}, summary=plain)
        yield Spec(
            name=f"{name}:embedded",
            target=target,
            options={"function": name, "ambient_dim": 20_000},
            summary=f"{name.capitalize()} of 10 effective dimensions in 20,000, behind a random embedding.",
        )
