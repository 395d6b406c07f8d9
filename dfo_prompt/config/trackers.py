"""Trackers of a study: observers that it asks for, by name, with their options."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from dfo_prompt.types import Options


def read_trackers(given: object) -> object:
    """Return options by the name of a tracker; a list of names stands for trackers without options."""
    if isinstance(given, str) or (isinstance(given, list) and not all(isinstance(name, str) for name in given)):
        raise ValueError("neither a list of names nor a table for each name")
    if isinstance(given, list):
        return {name: {} for name in given}
    return dict(given) if isinstance(given, Mapping) else given


Trackers = Annotated[dict[str, Options], BeforeValidator(read_trackers)]
"""Options by the name of a tracker; see `dfo-prompt list observers`."""
