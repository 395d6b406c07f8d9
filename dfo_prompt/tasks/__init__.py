"""Tasks: labelled text, a template with a slot for the answer, and a label word for each class."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.plugin.hookspecs import hookimpl


@hookimpl
def dfo_prompt_tasks() -> Iterable[Spec]:
    """Give the tasks in `library/`, one a file."""
    for file in sorted(Path(__file__).with_name("library").glob("*.toml")):
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        yield Spec(name=table["name"], target=f"{__name__}:library/{file.name}", summary=table["summary"])
