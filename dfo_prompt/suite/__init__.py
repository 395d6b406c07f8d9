"""Suites: many studies under equal budgets, from one file."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.plugin.hookspecs import hookimpl


@hookimpl
def dfo_prompt_executors() -> Iterable[Spec]:
    """Provide the executors for local processes and for a Ray cluster."""
    yield Spec(name="processes", target="dfo_prompt.suite.processes:Processes", summary="Processes of this machine.")
    yield Spec(
        name="ray",
        target="dfo_prompt.suite.on_ray:RayCluster",
        summary="A Ray cluster whose nodes share a file system (Moritz et al., 2018).",
        extra="ray",
    )
