"""Builds the objects that catalogue entries name."""

from collections.abc import Mapping
from typing import Any

from dfo_prompt.errors import DfoPromptError, InputError, PluginError, one_line
from dfo_prompt.plugin.entries import arguments_of, target_of
from dfo_prompt.plugin.options import parameters


def build(kind: str, name: str, options: Mapping[str, object], **provided: object) -> Any:
    """Call the target of an entry with the user's options and the arguments that the study supplies.

    Raises:
        InputError: the name or an option is unknown, a value is invalid, or the backend is missing.
        PluginError: the target fails for another reason.
    """
    target, arguments = target_of(kind, name), arguments_of(kind, name, options)
    try:
        return target(**provided, **arguments)
    except DfoPromptError:
        raise
    except (TypeError, ValueError) as error:
        accepted = parameters(target)
        refused = not accepted.free and provided.keys() - accepted.hints.keys()
        advice = "; take **study and pass it to super().__init__" if kind == "optimizer" and refused else ""
        raise InputError(f"{kind} {name!r}: {error}{advice}") from error
    except Exception as error:
        raise PluginError(f"{kind} {name!r} cannot be built: {one_line(error)}") from error
