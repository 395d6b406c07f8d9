"""Composes optimizers: over blocks of coordinates, in random subspaces, or in two stages."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import OptimizerSpec
from dfo_prompt.plugin.hookspecs import hookimpl

EMBEDDING = "embedding:RandomEmbedding"
_WRAPPERS: dict[str, tuple[str, dict[str, object], dict[str, object], str]] = {
    "blockwise": ("blockwise:Blockwise", {}, {}, "Blocks of coordinates in turn (BBTv2)"),
    "two-stage": ("two_stage:TwoStage", {}, {}, "Two optimizers in turn, the second from the best point (BBT-RGB)"),
    "rembo": (EMBEDDING, {"draws": 1, "withdraw": False}, {}, "One random subspace (Wang et al., 2016)"),
    "sre": (EMBEDDING, {"withdraw": True}, {"draws": 5}, "Random subspaces in sequence (Qian et al., 2016)"),
    "redrawn": (EMBEDDING, {"withdraw": False}, {"draws": 10}, "Random subspaces through the best point so far"),
}
"""For each name: target, fixed options, defaults and summary."""


@hookimpl
def dfo_prompt_optimizers() -> Iterable[OptimizerSpec]:
    """Register each wrapper around CMA-ES and around any optimizer."""
    for wrapper, (target, options, defaults, summary) in _WRAPPERS.items():
        for inner in ("cma", "*"):
            yield OptimizerSpec(
                name=f"{wrapper}:{inner}",
                target=f"dfo_prompt.wrappers.{target}",
                options=options if inner == "*" else {**options, "variant": inner},
                defaults=defaults,
                wraps=True,
                summary=f"{summary}, searched by {'any optimizer' if inner == '*' else inner}.",
            )
