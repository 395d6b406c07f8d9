"""`dfo-prompt predict`: labels for new texts, or answers to them, from a tuned prompt or another method."""

import json
import sys
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import click

from dfo_prompt._util.parsing import SURROGATE
from dfo_prompt.console.notes import note_unfinished
from dfo_prompt.contracts.objective import Generating, Predictor
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.report.texts import printable
from dfo_prompt.run.reopen import config_of, reopen
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.types import Matrix


@click.command("predict")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("texts", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a text.")
@click.option("--dtype", help="Of matrix products, float32 as in an exported folder [default: that of the study].")
def command(folder: Path, texts: tuple[str, ...], *, as_json: bool, dtype: str | None) -> None:
    """Label or answer TEXTS, or the lines of standard input, with what the study or method in FOLDER learned.

    The two texts of a sentence pair are separated by a tab.
    """
    lines = texts or _lines()
    if not lines:
        raise InputError("nothing to label: give texts as arguments or lines on standard input")
    for number, line in enumerate(lines, start=1):
        if SURROGATE.search(line):
            raise InputError(f"text {number} holds bytes that are not UTF-8: {line}")
    examples = [tuple(line.split("\t")) for line in lines]
    if not catalogue().methods.find(config_of(folder).method).tunes:
        _label_by_method(folder, lines, examples, as_json=as_json, dtype=dtype)
        return
    objective, candidate = reopen(folder, {"prompt": {"dtype": dtype}} if dtype else {})
    note_unfinished(folder)
    if isinstance(objective, Generating):
        for line, answer in zip(lines, objective.generate(candidate, examples), strict=True):
            _print_answer(line, answer, as_json=as_json)
        return
    if not isinstance(objective, Predictor):
        raise InputError(f"the study in {folder} tunes no prompt, so there is nothing to label with")
    _print(lines, objective.classes, objective.predict(candidate, examples), as_json=as_json)


def _label_by_method(folder: Path, lines: Sequence[str], examples: Texts, *, as_json: bool, dtype: str | None) -> None:
    """Label texts with the classifier of a method that tunes no prompt."""
    if dtype:
        raise InputError("--dtype is for studies; a method is fitted again as it was")
    from dfo_prompt.methods.reopen import reopen_method  # noqa: PLC0415 - brings torch

    labeller = reopen_method(folder)
    _print(lines, labeller.classes, labeller.predict(examples), as_json=as_json)


def _lines() -> tuple[str, ...]:
    try:
        lines = sys.stdin.read().removeprefix("\ufeff").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not {error.encoding}: {error.reason}") from error
    return tuple(line.rstrip("\r") for line in lines if line.strip())


def _print(lines: Sequence[str], classes: Sequence[str], probabilities: Matrix, *, as_json: bool) -> None:
    """Print the label of each line, with the probabilities (N, C) of the classes; without a label if one is not finite."""
    for line, row in zip(lines, probabilities.tolist(), strict=True):
        named = dict(zip(classes, row, strict=True)) if all(map(isfinite, row)) else None
        label = max(named, key=named.__getitem__) if named else None
        if as_json:
            _print_json({"text": line, "label": label, "probabilities": named})
            continue
        if named is None:
            click.echo(f"-\tits probabilities are not finite\t{line}")
            continue
        ranked = sorted(named.items(), key=lambda item: -item[1])
        click.echo(f"{label}\t{'  '.join(f'{name} {p:.3f}' for name, p in ranked)}\t{line}")


def _print_answer(text: str, answer: str, *, as_json: bool) -> None:
    if as_json:
        _print_json({"text": text, "answer": answer})
        return
    click.echo(f"{printable(answer)}\t{text}")


def _print_json(found: dict[str, Any]) -> None:
    # On a stream with another encoding, JSON's own escapes remain readable as JSON.
    ascii_only = (sys.stdout.encoding or "ascii").lower().replace("_", "-") != "utf-8"
    click.echo(json.dumps(found, ensure_ascii=ascii_only))
