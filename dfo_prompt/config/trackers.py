"""Trackers of a study: the observers that it requests by name, with their options."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from dfo_prompt.types import Options


def read_trackers(value: object) -> object:
    """Return options by tracker name; a list of names means trackers without options."""
    if isinstance(value, str) or (isinstance(value, list) and not all(isinstance(name, str) for name in value)):
        raise ValueError("neither a list of names nor a table for each name")
    if isinstance(value, list):
        return {name: {} for name in value}
    return dict(value) if isinstance(value, Mapping) else value


Trackers = Annotated[dict[str, Options], BeforeValidator(read_trackers)]
"""Options by tracker name; see `dfo-prompt list observers`."""
