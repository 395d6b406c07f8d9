"""Serves an objective over HTTP (`dfo-prompt serve`) and queries such a service (objective "remote"); only z is sent."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.plugin.hookspecs import hookimpl


@hookimpl
def dfo_prompt_objectives() -> Iterable[Spec]:
    """Register the objective that a service evaluates."""
    summary = "The objective that a `dfo-prompt serve` elsewhere evaluates."
    yield Spec(name="remote", target="dfo_prompt.service.remote:remote_objective", summary=summary, extra="remote")
