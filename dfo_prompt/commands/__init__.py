"""The commands of `dfo-prompt`, one per file, offered through the same hook as those of plugins."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.plugin.hookspecs import hookimpl

COMMANDS = {
    "quickstart": "Tune a real model's prompt with four optimizers and compare them.",
    "run": "Run a study, or continue it.",
    "suite": "Run many studies from one file, and compare optimizers.",
    "show": "Show the figures of a study.",
    "predict": "Label texts with a tuned prompt.",
    "serve": "Serve an objective to studies elsewhere.",
    "offer": "Offer a study's prompt to a service, which takes it if it is better.",
    "export": "Write a tuned prompt for other programs.",
    "pretrain-projection": "Learn a search space from prompts tuned on other tasks.",
    "new-task": "Write a task file for your own data.",
    "list": "List what is installed.",
    "new-plugin": "Write a package with an optimizer of your own.",
}


@hookimpl
def dfo_prompt_commands() -> Iterable[Spec]:
    """Provide the built-in commands."""
    return [
        Spec(name=name, target=f"dfo_prompt.commands.{name.replace('-', '_')}:command", summary=summary)
        for name, summary in COMMANDS.items()
    ]
