"""Tasks drafted from a user's data: the flags that name its columns, and the task file of the study."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from dfo_prompt._util.reading import absolute, exists, from_home
from dfo_prompt.errors import DataError, InputError
from dfo_prompt.tasks.drafting import Dataset, check_columns, draft, guess_label, guess_text, label_words, read_dataset
from dfo_prompt.tasks.task import Task
from dfo_prompt.tasks.writing import toml_of, write_task

DRAFT_KEYS = ("text_columns", "label_column", "labels", "instruction")
"""The arguments that `draft_flags` adds to a command."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A drafted task, the data behind it, and the number of rows of each label."""

    task: Task
    dataset: Dataset
    classes: Mapping[str, int]


def draft_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags for drafting a task from data to a command."""
    texts = click.option(
        "--text-column", "text_columns", multiple=True, help="Column of the text; twice for the two texts of a pair."
    )
    label = click.option("--label-column", help="Column of the label.")
    words = click.option("--labels", help='Label words: "good,bad" in the order of the labels, or "1=good,0=bad".')
    instruction = click.option("--instruction", help="Ahead of each text, a question for instance.")
    return texts(label(words(instruction(command))))


def take_usual(_: str, usual: str) -> str:
    """Answer a question with its default."""
    return usual


def draft_task(
    data: Path,
    *,
    text_columns: tuple[str, ...] = (),
    label_column: str | None = None,
    labels: str | None = None,
    instruction: str | None = None,
    beside: Path | None = None,
    ask: Callable[[str, str], str] = take_usual,
) -> Draft:
    """Draft the task of labelling the rows of a file or folder; missing settings are inferred or asked for.

    Args:
        data: a file or folder.
        text_columns, label_column, labels, instruction: values of the flags of `draft_flags`.
        beside: folder of the task file, if the task file names the data; None if the study does.
        ask: function that takes a question and its default and returns the answer.

    Raises:
        InputError, DataError: a column is missing, or the data are invalid.
    """
    path = from_home(data)
    if not exists(path):
        raise DataError(f"there is no file or folder {path}")
    dataset = read_dataset(path)
    label = label_column or ask("label column", guess_label(dataset))
    check_columns(dataset, label)
    texts = text_columns or (ask("text column", guess_text(dataset, label)),)
    classes = dataset.classes(label)
    words = label_words(classes, labels or "") if labels else _asked(label_words(classes, ""), ask)
    instruction = ask("instruction ahead of the text", "") if instruction is None else instruction
    place = os.path.relpath(absolute(path), beside.resolve()) if beside else ""  # ".." leads out of a link's target
    task = draft(dataset, texts=texts, label=label, words=words, instruction=instruction, path=place)
    return Draft(task=task, dataset=dataset, classes=classes)


def with_drafted_task(keys: dict[str, Any], flags: Mapping[str, Any], out: Path | None) -> dict[str, Any]:
    """Draft a task from the study's data, write it beside the study folder, and return the study's keys with that task.

    The file name contains a hash of its content, so that the same command finds the same study.

    Raises:
        InputError: `keys` names no data, or also a task, or `problem` is no table; or see `draft_task`.
    """
    problem = keys.get("problem", {})
    if not isinstance(problem, Mapping):
        raise InputError(f"problem must be a table of keys, not {problem!r:.40}; write --set problem.KEY=VALUE")
    if not problem.get("data") or problem.get("task"):
        raise InputError("--text-column, --label-column, --labels and --instruction take --data FILE, and no --task")
    if not isinstance(problem["data"], str):
        raise InputError(f"problem.data must be the path of a file or folder, not {problem['data']!r:.40}")
    drafted = draft_task(Path(problem["data"]), **flags)
    digest = sha256(toml_of(drafted.task).encode()).hexdigest()[:8]
    file = (out.parent if out else Path("runs")) / "tasks" / f"{drafted.task.name}-{digest}.toml"
    write_task(drafted.task, file)
    click.echo(
        f"task file {file}: {', '.join(f'{label} ({word})' for label, word in drafted.task.labels.items())}", err=True
    )
    return {**keys, "problem": {**problem, "task": str(file)}}


def _asked(words: dict[str, str], ask: Callable[[str, str], str]) -> dict[str, str]:
    return {label: ask(f"word for label {label}", word) for label, word in words.items()}
