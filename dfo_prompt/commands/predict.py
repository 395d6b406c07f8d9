"""`dfo-prompt predict`: labels for new texts, or answers to them, from a tuned prompt."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from dfo_prompt.console.notes import note_unfinished
from dfo_prompt.contracts.objective import Generating, Predictor
from dfo_prompt.errors import InputError
from dfo_prompt.report.texts import printable
from dfo_prompt.run.reopen import reopen
from dfo_prompt.tasks.examples import LONE_SURROGATE


@click.command("predict")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("texts", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a text.")
@click.option("--dtype", help="Of matrix products, float32 as in an exported folder [default: that of the study].")
def command(folder: Path, texts: tuple[str, ...], *, as_json: bool, dtype: str | None) -> None:
    """Label or answer TEXTS, or the lines of standard input, with the prompt that the study in FOLDER tuned.

    The two texts of a sentence pair are separated by a tab.
    """
    lines = texts or _lines()
    if not lines:
        raise InputError("nothing to label: give texts as arguments or lines on standard input")
    for number, line in enumerate(lines, start=1):
        if LONE_SURROGATE.search(line):
            raise InputError(f"text {number} holds bytes that are not UTF-8: {line}")
    objective, candidate = reopen(folder, {"prompt": {"dtype": dtype}} if dtype else {})
    note_unfinished(folder)
    examples = [tuple(line.split("\t")) for line in lines]
    if isinstance(objective, Generating):
        for line, answer in zip(lines, objective.generate(candidate, examples), strict=True):
            _print_answer(line, answer, as_json=as_json)
        return
    if not isinstance(objective, Predictor):
        raise InputError(f"the study in {folder} tunes no prompt, so there is nothing to label with")
    probabilities = objective.predict(candidate, examples)  # (N, C)
    for line, row in zip(lines, probabilities, strict=True):
        _print(line, dict(zip(objective.classes, row.tolist(), strict=True)), as_json=as_json)


def _lines() -> tuple[str, ...]:
    try:
        lines = sys.stdin.read().removeprefix("\ufeff").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not {error.encoding}: {error.reason}") from error
    return tuple(line.rstrip("\r") for line in lines if line.strip())


def _print(text: str, probabilities: dict[str, float], *, as_json: bool) -> None:
    label = max(probabilities, key=probabilities.__getitem__)
    if as_json:
        _print_json({"text": text, "label": label, "probabilities": probabilities})
        return
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    click.echo(f"{label}\t{'  '.join(f'{name} {p:.3f}' for name, p in ranked)}\t{text}")


def _print_answer(text: str, answer: str, *, as_json: bool) -> None:
    if as_json:
        _print_json({"text": text, "answer": answer})
        return
    click.echo(f"{printable(answer)}\t{text}")


def _print_json(found: dict[str, Any]) -> None:
    # On a stream with another encoding, JSON's own escapes remain readable as JSON.
    ascii_only = (sys.stdout.encoding or "ascii").lower().replace("_", "-") != "utf-8"
    click.echo(json.dumps(found, ensure_ascii=ascii_only))
