"""Keeps answers of the model in the folder of a method, so that no query is repeated."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from dfo_prompt._util.durable import replacing, writing
from dfo_prompt._util.parsing import parse
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError, one_line
from dfo_prompt.methods.setting import Setting
from dfo_prompt.methods.slots import Answers
from dfo_prompt.study.records import ANSWERS


def kept(setting: Setting, name: str, ask: Callable[[], Answers]) -> Answers:
    """Return the answers that the setting's folder keeps under `name`; if it has none, `ask` and keep the answers.

    The folder belongs to one method with fixed settings and code (see `study_folder`), so that a name stands for one
    question. It keeps nothing without a folder, or in a reopened one.

    Raises:
        InputError: the file is damaged.
        StudyError: the file cannot be written.
    """
    path = setting.folder and setting.folder / ANSWERS / f"{name}.npz"
    if path and path.exists():
        return _read(path)
    answers = ask()
    if path is None or setting.reopened:
        return answers
    with writing(path):
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as file:
            costs = json.dumps({"usage": asdict(answers.usage), "seconds": answers.seconds})
            np.savez(file, figures=answers.figures, words=answers.words, costs=np.array(costs))
    return answers


def _read(path: Path) -> Answers:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            costs = json.loads(str(arrays["costs"]))
            usage = parse(Usage, costs["usage"], where=str(path))
            return Answers(figures=arrays["figures"], words=arrays["words"], usage=usage, seconds=float(costs["seconds"]))
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds of errors for a damaged file
        raise InputError(f"{path} is damaged: {one_line(error)}; delete it and run the same command again") from error
