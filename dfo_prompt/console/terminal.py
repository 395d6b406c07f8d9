"""Opens the consoles that all output goes through."""

from typing import Any

from rich.console import Console


def terminal(**options: Any) -> Console:
    """Return a console that prints names and prompts as they are: rich would print "sre:x:y" with an emoji in its middle."""
    return Console(**{"highlight": False, "emoji": False, **options})
