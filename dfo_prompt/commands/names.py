"""Flag values that a shell completes with names of the catalogue."""

import click
from click.shell_completion import CompletionItem

from dfo_prompt.plugin.catalogue import catalogue


def completions(kind: str, incomplete: str) -> list[CompletionItem]:
    """Return the catalogue's names of a kind that start with `incomplete`, each with its summary."""
    return [
        CompletionItem(spec.name, help=spec.summary)
        for spec in getattr(catalogue(), kind)
        if spec.name.startswith(incomplete)
    ]


class Named(click.ParamType[str]):
    """A text that a shell completes with the catalogue's names of a kind, without validating it."""

    name = "text"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Return the names that start with `incomplete`, each with its summary."""
        return completions(self.kind, incomplete)
