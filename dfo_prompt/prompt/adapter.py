"""Exports a tuned prompt as a folder that labels texts: a peft adapter, the labelling rule and a program."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from dfo_prompt._util.durable import moved_into, replacing
from dfo_prompt._util.json_files import write_json
from dfo_prompt.errors import InputError, ModelError, needs_extra
from dfo_prompt.lm.checkpoint import quiet
from dfo_prompt.lm.layout import template_of
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.origin import Origin, origin_of
from dfo_prompt.prompt.objective import PromptObjective
from dfo_prompt.prompt.soft_prompts import SoftPrompts
from dfo_prompt.types import Json, Vector

SHALLOW = 2
"""Dimensions of a prompt (P, E) at the first layer only."""
RULE, PROGRAM = "task.json", "classify.py"
TRUNCATION = "a text keeps most_words words (0: all); the longest loses its last tenth, at a space, until all fit"
SCORE = "sum of the log-probabilities of a label word's tokens, minus what calibration subtracts; softmax over the labels"


def save_for_peft(objective: SoftPrompts, candidate: Vector, folder: Path) -> None:
    """Write the prompt of a candidate (d,) as a prompt-tuning adapter, with task.json, and classify.py, which reads it.

    peft puts a prompt ahead of all tokens, while ours follows the special tokens at the beginning of a text. The adapter
    therefore contains these: texts must be tokenised without special tokens (`add_special_tokens=False`), and those for the
    end of a text be appended.

    Raises:
        InputError: peft is not installed or does not support the prompt, or the task has no labels.
        ModelError: the folder cannot be written.
    """
    if not isinstance(objective, PromptObjective):
        reason = f"task {objective.problem.task.name!r} has answers that are texts, and the folder of peft is for labels"
        raise InputError(f"{reason}; use --format safetensors")
    _check_fits(objective, candidate)
    lm, origin = objective.problem.lm, origin_of(objective.problem.lm)
    whole = torch.cat([lm.embed(np.array(lm.frame[0], dtype=np.int64)), objective.prompt(candidate)])
    program = files("dfo_prompt.prompt").joinpath(f"classify_{lm.head}.py.in").read_text(encoding="utf-8")
    with _writing(folder):
        _save_adapter(lm, whole, origin, folder)
        write_json(folder / RULE, _labelling(objective, candidate, room=lm.max_tokens - len(whole)))
        with replacing(folder / PROGRAM) as file:
            file.write(program.encode())


def _labelling(objective: PromptObjective, candidate: Vector, *, room: int) -> dict[str, Json]:
    """Return the rule that labels texts under a candidate, as plain data.

    Args:
        objective: objective with the model and the task.
        candidate: (d,) candidate, on whose prompt the calibration depends.
        room: number of tokens that the model has left for text and label word.
    """
    problem = objective.problem
    lm, task = problem.lm, problem.task
    template = template_of(lm, task)
    before, after = template.around
    words = zip(objective.classes, template.words(task.words), objective.word_tokens, strict=True)
    return {
        "task": task.name,
        "base": {**asdict(origin_of(lm)), "fingerprint": lm.fingerprint},
        "fields": list(template.fields),
        "template": {"before": before, "gap": template.gap, "after": after},
        "labels": [{"label": label, "word": word, "tokens": list(tokens)} for label, word, tokens in words],
        "score": SCORE,
        "calibration": {"name": objective.calibration, "subtract": objective.subtracted(candidate).tolist()},
        "special_tokens": {"ahead": "in the adapter", "behind": [] if lm.head == "causal" else list(lm.frame[1])},
        "truncation": {"most_words": task.data.most_words, "most_tokens": room, "rule": TRUNCATION},
    }


def _check_fits(objective: PromptObjective, candidate: Vector) -> None:
    lm = objective.problem.lm
    if objective.prompt(candidate).dim() != SHALLOW or lm.head == "seq2seq":
        raise InputError("peft supports no prompt in every layer or in an encoder-decoder; use --format safetensors")
    if lm.model.get_output_embeddings() is None:  # see `load_shell`
        raise InputError("a peft adapter needs the whole model, which only the endpoint has; use --format safetensors")
    if "prompt" in template_of(lm, objective.problem.task).marks:
        raise InputError("peft supports a prompt only ahead of the text; use --format safetensors")


def _save_adapter(lm: LanguageModel, whole: Tensor, origin: Origin, folder: Path) -> None:
    try:
        from peft import PromptTuningConfig, TaskType, get_peft_model  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(needs_extra("the format peft", "peft")) from error
    task_type = TaskType.CAUSAL_LM if lm.head == "causal" else TaskType.FEATURE_EXTRACTION
    config = PromptTuningConfig(task_type=task_type, num_virtual_tokens=len(whole), inference_mode=True, **lm.peft_sizes)
    with torch.random.fork_rng(), warnings.catch_warnings(action="ignore"), quiet():
        adapted: Any = get_peft_model(lm.model, config)
        saved = adapted.peft_config["default"]
        saved.base_model_name_or_path, saved.revision = origin.model, origin.options.get("revision")
        for weight in adapted.prompt_encoder["default"].parameters():  # a single one
            weight.data.copy_(whole)
        with moved_into(folder) as part:
            adapted.save_pretrained(str(part), save_embedding_layers=False)  # otherwise it asks the hub for the vocabulary


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:  # ValueError: the path is a file
        raise ModelError(f"cannot write {folder}: {getattr(error, 'strerror', None) or error}") from error
