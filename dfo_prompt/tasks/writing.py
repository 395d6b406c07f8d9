"""Writes task files, which `load_task` reads."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from dfo_prompt._util.durable import replacing, writing
from dfo_prompt._util.parsing import SURROGATE
from dfo_prompt.errors import InputError
from dfo_prompt.tasks.sections import Source
from dfo_prompt.tasks.task import Task

DELETE = "\x7f"
"""A control character that must be escaped in TOML but not in JSON."""


def write_task(task: Task, file: Path) -> None:
    """Write a task file atomically.

    Raises:
        InputError: see `toml_of`.
        StudyError: the file cannot be written.
    """
    content = toml_of(task).encode()
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as opened:
            opened.write(content)


def toml_of(task: Task) -> str:
    """Return a task with labels and a single template as TOML.

    Raises:
        InputError: a text holds half of a surrogate pair, as a file name that is not UTF-8 does; TOML has no form for it.
    """
    keys = {key: getattr(task, key) for key in ("name", "summary", "metric", "template")}
    lines = [*_keys(keys), "", "[labels]", *_keys(task.labels)]
    defaults = Source()
    data = {field.name: getattr(task.data, field.name) for field in fields(Source)}
    changed = {key: value for key, value in data.items() if value != getattr(defaults, key)}
    lines += ["", "[data]", *_keys(changed)] if changed else []
    if halves := [line for line in lines if SURROGATE.search(line)]:
        raise InputError(f"no task file can hold {halves[0]!r:.200}, which is not UTF-8; rename the file or column")
    return "\n".join(lines) + "\n"


def _keys(values: Mapping[str, object]) -> Iterator[str]:
    for key, value in values.items():
        plain = key.replace("_", "a").isascii() and key.replace("_", "a").isalnum()
        yield f"{key if plain else _value(key)} = {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(_keys(value))} }}"
    return json.dumps(value, ensure_ascii=False).replace(DELETE, "\\u007f")
