"""`dfo-prompt predict`: labels for new texts from a tuned prompt."""

import json
import sys
from pathlib import Path
from typing import Protocol, runtime_checkable

import click

from dfo_prompt.errors import InputError
from dfo_prompt.run.study import reopen
from dfo_prompt.types import Matrix, Vector


@runtime_checkable
class Predictor(Protocol):
    """An objective whose candidates label texts."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the C classes."""

    def predict(self, candidate: Vector, texts: list[tuple[str, ...]]) -> Matrix:
        """Return probabilities (N, C) of N examples' texts under the candidate (d,)."""


@click.command("predict")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("texts", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a text.")
def command(folder: Path, texts: tuple[str, ...], *, as_json: bool) -> None:
    """Label TEXTS, or the lines of standard input, with the prompt that the study in FOLDER tuned.

    The two texts of a sentence pair are separated by a tab.
    """
    lines = texts or _standard_input()
    if not lines:
        raise InputError("nothing to label: give texts as arguments or lines on standard input")
    if broken := next((line for line in lines if not _is_text(line)), None):
        raise InputError(f"{broken[:60]!r} is not UTF-8")
    objective, candidate = reopen(folder)
    if not isinstance(objective, Predictor):
        raise InputError(f"the study in {folder} tunes no prompt, so there is nothing to label with")
    probabilities = objective.predict(candidate, [tuple(line.split("\t")) for line in lines])  # (N, C)
    for line, row in zip(lines, probabilities, strict=True):
        _print(line, dict(zip(objective.classes, row.tolist(), strict=True)), as_json=as_json)


def _standard_input() -> tuple[str, ...]:
    raw = sys.stdin.buffer.read() if sys.stdin else b""
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"standard input is not UTF-8: line {line}: {error.reason}") from error
    return tuple(line for line in text.split("\n") if line.strip())


def _is_text(line: str) -> bool:
    """Tell whether no byte of an argument was undecodable, which leaves a lone surrogate."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def _print(text: str, probabilities: dict[str, float], *, as_json: bool) -> None:
    label = max(probabilities, key=probabilities.__getitem__)
    if as_json:
        click.echo(json.dumps({"text": text, "label": label, "probabilities": probabilities}, ensure_ascii=False))
        return
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    click.echo(f"{label}\t{'  '.join(f'{name} {p:.3f}' for name, p in ranked)}\t{text}")
