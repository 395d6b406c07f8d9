"""Builds the tables [problem] and [prompt] from a single flat table."""

from dataclasses import fields

from dfo_prompt.config.problem import ProblemConfig

PROBLEM = {field.name for field in fields(ProblemConfig)}


def tables(keys):
    """Return {"problem": ..., "prompt": ...}."""
    return {
        "problem": {key: value for key, value in keys.items() if key in PROBLEM},
        "prompt": {key: value for key, value in keys.items() if key not in PROBLEM},
    }
