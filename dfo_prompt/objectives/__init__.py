"""Objectives without a language model: test functions."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.plugin.hookspecs import hookimpl

FUNCTIONS = ("sphere", "ellipsoid", "rosenbrock", "rastrigin")
LEAST_SQUARES = {
    "rosenbrock": "Extended Rosenbrock function, d even",
    "powell": "Extended Powell singular function, d a multiple of four",
    "trigonometric": "Trigonometric function",
    "brown": "Brown's almost-linear function",
    "boundary": "Discrete boundary value function",
    "tridiagonal": "Broyden's tridiagonal function",
    "linear": "Linear function of full rank",
}


@hookimpl
def dfo_prompt_objectives() -> Iterable[Spec]:
    """Register the test functions, also behind random embeddings, and the objectives with outputs."""
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
    for name, about in LEAST_SQUARES.items():
        yield Spec(
            name=f"least-squares:{name}",
            target="dfo_prompt.objectives.composite:build_least_squares",
            options={"residuals": name},
            summary=f"{about}: residuals as outputs (Moré, Garbow and Hillstrom, 1981).",
        )
    yield Spec(
        name="logistic",
        target="dfo_prompt.objectives.composite:build_logistic",
        summary="Cross entropy of made examples under bounded scores, which are its outputs.",
    )
