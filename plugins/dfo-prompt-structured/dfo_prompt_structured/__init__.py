"""Optimizers for composite losses h(F(z)), which minimise h of a linear model of the outputs F."""

from collections.abc import Iterable

import dfo_prompt as dp

_INJECTED = {
    "cma": "CMA-ES",
    "cma:sep": "CMA-ES with diagonal covariance",
    "cma:passive": "CMA-ES without negative weights",
}


@dp.hookimpl
def dfo_prompt_optimizers() -> Iterable[dp.OptimizerSpec]:
    """Register the optimizers."""
    yield dp.OptimizerSpec(
        name="structured:gauss-newton",
        target="dfo_prompt_structured.gauss_newton:GaussNewton",
        summary="Gauss-Newton in random subspaces, from outputs (Cartis and Roberts, 2019, 2023).",
    )
    for inner, title in _INJECTED.items():
        yield dp.OptimizerSpec(
            name=f"structured:{inner}",
            target="dfo_prompt_structured.injected:Injected",
            options={"variant": inner},
            wraps=True,
            summary=f"{title}; a candidate of each generation minimises a linear model of the outputs.",
        )
