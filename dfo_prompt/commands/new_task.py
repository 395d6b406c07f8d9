"""`dfo-prompt new-task`: a task file for a user's own data."""

import sys
from pathlib import Path
from shlex import quote
from typing import Any

import click

from dfo_prompt.commands.drafts import Draft, draft_flags, draft_task, take_usual
from dfo_prompt.commands.names import Named
from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.config.reading import parse_config
from dfo_prompt.errors import InputError
from dfo_prompt.tasks.examples import read_examples
from dfo_prompt.tasks.sampling import class_sizes, distinct_examples, report_of, usual_shots
from dfo_prompt.tasks.task import load_task
from dfo_prompt.tasks.writing import write_task

TO_DRAW = 3
"""The parts to draw: train, dev and test."""
SIZES = "--prompt-tokens 10 --dim 200 --budget 300"


@click.command("new-task")
@click.argument("data", type=click.Path(path_type=Path))
@draft_flags
@click.option(
    "--model",
    type=Named("models"),
    default=str(ProblemConfig.model),
    show_default=True,
    help="Name, hub id or folder of the model.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Task file to write [default: named after DATA].")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def command(data: Path, model: str, out: Path | None, *, yes: bool, **flags: Any) -> None:
    """Write the task file for labelled texts in DATA: a CSV, TSV, JSON, JSONL or Parquet file, or a folder of splits.

    In a terminal it asks about what the flags leave open. The label words are checked against the tokenizer of --model.
    """
    file = out or Path(f"{_stem(data)}.toml")
    if file.exists():
        raise InputError(f"{file} exists; remove it, or choose another with --out")
    drafted = draft_task(data, beside=file.parent, ask=take_usual if yes or not _can_ask() else _ask, **flags)
    splits = read_examples(drafted.task, data)
    distinct = distinct_examples(splits.train)
    sizes = class_sizes(distinct, len(drafted.task.classes))
    parts = TO_DRAW - 1 if splits.test else TO_DRAW
    write_task(drafted.task, file)
    load_task(file)
    columns = {"text": ", ".join(drafted.task.data.columns.get(field, field) for field in drafted.task.fields)}
    columns |= {"label": drafted.task.data.columns.get("label", "label"), "columns": ", ".join(drafted.dataset.columns)}
    click.echo("\n".join(f"{key:<9}{value}" for key, value in columns.items()))
    click.echo(_classes(drafted, [*_few(drafted, sizes, parts), *_notes(drafted, model)]))
    click.echo(f"rows     {report_of(drafted.task, splits, distinct)}\nwrote    {file}\n\nnext:")
    settings = _settings(model, usual_shots(sizes, parts=parts))
    click.echo(f"  dfo-prompt run --task {quote(str(file))} {settings}")


def _stem(data: Path) -> str:
    name = data.absolute().name
    return (name.strip(".") if data.is_dir() else name.split(".")[0]) or "task"


def _can_ask() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _ask(question: str, usual: str) -> str:
    return str(click.prompt(question, default=usual, show_default=bool(usual), err=True))


def _classes(drafted: Draft, notes: list[str]) -> str:
    words = drafted.task.labels
    lines = [f"  {label}: {count:,} rows, label word {words[label]!r}" for label, count in drafted.classes.items()]
    return "\n".join([f"classes  {len(lines)}", *lines, *(f"note     {note}" for note in notes)])


def _few(drafted: Draft, sizes: list[int], parts: int) -> list[str]:
    few = [name for name, size in zip(drafted.task.classes, sizes, strict=True) if size < parts]
    named = "train, dev and test" if parts == TO_DRAW else "train and dev"
    return [f"too few distinct rows to run: {', '.join(few)} needs {parts}, for {named}"] if few else []


def _notes(drafted: Draft, model: str) -> list[str]:
    words = drafted.task.labels.values()
    notes = [] if any(map(str.isalpha, "".join(words))) else ["label words are numbers: give better ones with --labels"]
    column = drafted.task.data.columns.get("label", "label")
    decimals = sorted({*drafted.dataset.values(column)} - {*drafted.classes, ""})
    notes += [f"whole numbers are labels without their decimal: {', '.join(decimals)}"] if decimals else []
    try:
        return [*notes, *_tokens(drafted, model)]
    except InputError as error:
        return [*notes, f"the label words are not right for {model}: {error}"]


def _tokens(drafted: Draft, model: str) -> list[str]:
    from dfo_prompt.lm.encoding import encode_words  # noqa: PLC0415 - brings torch
    from dfo_prompt.prompt.open import open_tokenizer  # noqa: PLC0415

    task = drafted.task
    problem = parse_config({"problem": {"model": model}}).problem
    tokens = dict(zip(task.words, encode_words(open_tokenizer(problem.model), task), strict=True))
    longer = [f"{word!r} ({len(ids)})" for word, ids in tokens.items() if len(ids) > 1]
    first = [ids[0] for ids in tokens.values()]
    shared = [repr(word) for word, ids in tokens.items() if first.count(ids[0]) > 1]
    notes = [f"each label word is one token of {model}"] if not longer else []
    notes += [f"more than one token of {model}, so that each text is asked again: {', '.join(longer)}"] if longer else []
    return notes + ([f"the same first token, told apart by later ones: {', '.join(shared)}"] if shared else [])


def _settings(model: str, shots: int) -> str:
    named = "" if model == ProblemConfig.model else f"--model {quote(model)} "
    return f"{named}{f'--shots {shots} ' if shots != ProblemConfig.shots else ''}{SIZES}"
