"""Optimizers made of other optimizers: over blocks of coordinates, and inside random subspaces."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import OptimizerSpec
from dfo_prompt.plugin.hookspecs import hookimpl

_WRAPPERS: dict[str, tuple[str, dict[str, object], str]] = {
    "blockwise": ("blockwise:Blockwise", {}, "Blocks of coordinates in turn (BBTv2)"),
    "rembo": ("embedding:RandomEmbedding", {}, "One random subspace (Wang et al., 2016)"),
    "sre": ("embedding:RandomEmbedding", {"draws": 5, "withdraw": True}, "Random subspaces in sequence (Qian et al., 2016)"),
    "redrawn": ("embedding:RandomEmbedding", {"draws": 10}, "Random subspaces through the best point so far"),
}


@hookimpl
def dfo_prompt_optimizers() -> Iterable[OptimizerSpec]:
    """Give each wrapper around CMA-ES, and around any optimizer here."""
    for wrapper, (target, options, summary) in _WRAPPERS.items():
        for inner in ("cma", "*"):
            yield OptimizerSpec(
                name=f"{wrapper}:{inner}",
                target=f"dfo_prompt.wrappers.{target}",
                options=options if inner == "*" else {**options, "variant": inner},
                summary=f"{summary}, searched by {'any optimizer here' if inner == '*' else inner}.",
            )
