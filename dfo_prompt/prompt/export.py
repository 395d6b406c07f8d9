"""A tuned prompt as other programs take it: an adapter of peft, a safetensors file, or a text."""

import warnings
from pathlib import Path

import numpy as np
import torch

from dfo_prompt.contracts.objective import Textual
from dfo_prompt.errors import InputError, ModelError
from dfo_prompt.lm.checkpoint import quiet
from dfo_prompt.lm.layout import template_of
from dfo_prompt.prompt.objective import PromptObjective
from dfo_prompt.prompt.projections.learned import TunedPrompt
from dfo_prompt.study.folder import save_text as write_text
from dfo_prompt.types import Vector

SHALLOW = 2


def tuned_prompt(objective: PromptObjective, candidate: Vector) -> TunedPrompt:
    """Return the prompt of a candidate (d,)."""
    prompt = objective.prompt(candidate).double().cpu().numpy()
    return TunedPrompt(prompt=prompt, task=objective.problem.task.name, model=objective.problem.lm.fingerprint)


def save_tensors(objective: PromptObjective, candidate: Vector, file: Path) -> None:
    """Write the prompt of a candidate (d,) as the tensor "prompt" of a safetensors file."""
    tuned_prompt(objective, candidate).save(file)


def save_text(objective: Textual, candidate: Vector, file: Path) -> None:
    """Write the text of a candidate (d,), with the marks of the template, such as {text}, in place of an example.

    Raises:
        StudyError: it cannot be written.
    """
    write_text(file, objective.text(candidate))


def save_for_peft(objective: PromptObjective, candidate: Vector, folder: Path) -> None:
    """Write the prompt of a candidate (d,) as a prompt-tuning adapter, which `PeftModel.from_pretrained` loads.

    peft puts a prompt ahead of everything. Special tokens that a text begins with, which ours follows, are therefore part of
    the adapter: texts are to be tokenised without them (`add_special_tokens=False`), those that end a text put behind it.

    Raises:
        InputError: peft is not installed, has no place for the prompt, or would not predict the same by the prompt alone.
    """
    lm, prompt = objective.problem.lm, objective.prompt(candidate)
    if prompt.dim() != SHALLOW or lm.head == "seq2seq":
        raise InputError("peft has no place for a prompt in every layer, or in an encoder-decoder; use --format safetensors")
    if lm.model.get_output_embeddings() is None:  # see `load_shell`
        raise InputError("an adapter of peft needs the whole model, which an endpoint has; use --format safetensors")
    if "prompt" in template_of(lm, objective.problem.task).marks:
        raise InputError("peft puts a prompt ahead of the text, not inside it; use --format safetensors")
    if objective.calibration != "none":
        raise InputError(f"{objective.calibration} calibration is no part of an adapter of peft; use --format safetensors")
    try:
        from peft import PromptTuningConfig, TaskType, get_peft_model  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError("this needs an extra: pip install 'dfo-prompt[peft]'") from error
    whole = torch.cat([lm.embed(np.array(lm.frame[0], dtype=np.int64)), prompt])
    kind = TaskType.CAUSAL_LM if lm.head == "causal" else TaskType.FEATURE_EXTRACTION
    config = PromptTuningConfig(task_type=kind, num_virtual_tokens=len(whole), inference_mode=True, **lm.peft_sizes)
    with torch.random.fork_rng(), warnings.catch_warnings(action="ignore"), quiet():
        adapted = get_peft_model(lm.model, config)
        for weight in adapted.prompt_encoder["default"].parameters():  # there is one
            weight.data.copy_(whole)
        try:
            adapted.save_pretrained(str(folder))
        except (OSError, ValueError) as error:  # ValueError: it is a file
            raise ModelError(f"cannot write {folder}: {getattr(error, 'strerror', None) or error}") from error
