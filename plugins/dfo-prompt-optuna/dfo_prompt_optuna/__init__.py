"""The samplers of optuna."""

from collections.abc import Iterable

import dfo_prompt as dp

_SAMPLERS = {
    "TPE": "tree-structured Parzen estimator (Bergstra et al., 2011)",
    "NSGAII": "genetic algorithm (Deb et al., 2002)",
}
_SIGMA = "by CmaEs after its first population, drawn from the box; by others without bounds, a tenth of half the box"


@dp.hookimpl
def dfo_prompt_optimizers() -> Iterable[dp.OptimizerSpec]:
    """Register two samplers that are fast in a thousand dimensions, and all others by name."""
    module = "dfo_prompt_optuna.optimizer"
    for name, summary in {**_SAMPLERS, "*": "any other sampler"}.items():
        yield dp.OptimizerSpec(
            name=f"optuna:{name}",
            target=f"{module}:Optuna",
            options={} if name == "*" else {"variant": name},
            variants=f"{module}:variants" if name == "*" else "",
            summary=f"optuna: {summary}.",
            adapts={
                "x0": "the first candidate, and without bounds the middle of the box",
                "sigma": _SIGMA if name == "*" else "without bounds, a tenth of half the box",
            },
        )
