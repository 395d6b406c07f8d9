"""Zeroth-order descent, along gradients estimated from losses."""

from collections.abc import Iterable

import dfo_prompt as dp

_OPTIMIZERS: dict[str, tuple[str, dict[str, object], str]] = {
    "sgd": ("descent:Descent", {"rule": "sgd"}, "gradient descent on two-point estimates (MeZO: Malladi et al., 2023)"),
    "adam": ("descent:Descent", {"rule": "adam"}, "Adam on two-point estimates (MeZO: Malladi et al., 2023)"),
    "spsa": ("spsa:SPSA", {}, "simultaneous perturbation, decreasing gains (Spall, 1998)"),
    "es": (
        "descent:Descent",
        {"rule": "adam", "shaping": "ranks"},
        "OpenAI-ES, mirrored, rank shaping (Salimans et al., 2017)",
    ),
    "ars": ("ars:ARS", {}, "augmented random search, V1-t (Mania, Guy and Recht, 2018)"),
}


@dp.hookimpl
def dfo_prompt_optimizers() -> Iterable[dp.OptimizerSpec]:
    """Register the optimizers."""
    for name, (target, options, summary) in _OPTIMIZERS.items():
        yield dp.OptimizerSpec(
            name=f"zo:{name}",
            target=f"dfo_prompt_zo.{target}",
            options=options,
            summary=f"Zeroth order: {summary}.",
            adapts={"popsize": "an even number, since candidates are pairs"},
        )
