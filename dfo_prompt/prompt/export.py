"""Exports a tuned prompt as a safetensors file or a text."""

from pathlib import Path

from dfo_prompt.contracts.objective import Textual
from dfo_prompt.prompt.projections.learned import TunedPrompt
from dfo_prompt.prompt.soft_prompts import SoftPrompts
from dfo_prompt.study.saved import save_text as write_text
from dfo_prompt.types import Vector


def tuned_prompt(objective: SoftPrompts, candidate: Vector) -> TunedPrompt:
    """Return the prompt of a candidate (d,)."""
    prompt = objective.prompt(candidate).double().cpu().numpy()
    return TunedPrompt(prompt=prompt, task=objective.problem.task.name, model=objective.problem.lm.fingerprint)


def save_tensors(objective: SoftPrompts, candidate: Vector, file: Path) -> None:
    """Write the prompt of a candidate (d,) as the tensor "prompt" of a safetensors file."""
    tuned_prompt(objective, candidate).save(file)


def save_text(objective: Textual, candidate: Vector, file: Path) -> None:
    """Write the text of a candidate (d,), with the marks of the template, such as {text}, in place of an example.

    Raises:
        StudyError: the file cannot be written.
    """
    write_text(file, objective.text(candidate))
