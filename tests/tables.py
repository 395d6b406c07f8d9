"""Keys of [problem] and [prompt] from one flat table, as tests have them at hand."""

from dataclasses import fields

from dfo_prompt.config.problem import ProblemConfig

PROBLEM = {field.name for field in fields(ProblemConfig)}


def tables(keys):
    """Return {"problem": ..., "prompt": ...}."""
    return {
        "problem": {key: value for key, value in keys.items() if key in PROBLEM},
        "prompt": {key: value for key, value in keys.items() if key not in PROBLEM},
    }
