"""The CMA-ES variants of CyberAgent's library cmaes."""

from collections.abc import Iterable

import dfo_prompt as dp

_VARIANTS: dict[str, tuple[dict[str, object], str]] = {
    "cmaes": ({}, "CMA-ES (Hansen, 2016)"),
    "cmaes:lra": ({"learning_rate_adaptation": True}, "CMA-ES, learning rate adapted to noise (Nomura et al., 2023)"),
    "cmaes:sep": ({"variant": "sep"}, "CMA-ES, diagonal covariance (Ros and Hansen, 2008)"),
}


@dp.hookimpl
def dfo_prompt_optimizers() -> Iterable[dp.OptimizerSpec]:
    """Register the optimizers."""
    for name, (options, summary) in _VARIANTS.items():
        yield dp.OptimizerSpec(
            name=name,
            target="dfo_prompt_cmaes.optimizer:CyberCMA",
            options=options,
            summary=f"cmaes: {summary}.",
            least_popsize=4,
        )
