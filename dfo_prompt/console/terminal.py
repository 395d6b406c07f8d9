"""Opens the consoles that all output goes through."""

from typing import Any

from rich.console import Console


class _Console(Console):
    """A console that leaves a closed pipe to the command group: rich would end the process."""

    def on_broken_pipe(self) -> None:
        """Raise the BrokenPipeError that rich is handling."""
        raise  # noqa: PLE0704 - rich calls this in its except block


def terminal(**options: Any) -> Console:
    """Return a console that prints names and prompts as they are: rich would print "sre:x:y" with an emoji in its middle."""
    return _Console(**{"highlight": False, "emoji": False, **options})
