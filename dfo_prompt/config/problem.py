"""The configuration of a problem: a language model on a k-shot task."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from dfo_prompt._util.parsing import STRICT
from dfo_prompt.config.paths import FilePath, ModelName, TaskName

Count = Annotated[int, Field(ge=1, le=10**9)]
"""The type of options that are a number of at least 1."""


@dataclass(frozen=True, kw_only=True)
class ProblemConfig:
    """A language model, a task, and the number of examples to use.

    Attributes:
        model: a name that `dfo-prompt list models` shows, a hub id, or the path of a model folder or GGUF file.
        task: a name that `dfo-prompt list tasks` shows, or the path of a task file.
        data: file or folder with the task's examples; None uses the task's own source.
        feedback: file of labelled examples to add to the training split; see `dfo_prompt.tasks.feedback`.
        shots: k, the number of training examples per class.
        test_examples: maximum number of test examples; None uses all.
        device: "auto", "cpu", "cuda", "mps" or "sharded"; see `dfo_prompt.lm.load`.
    """

    __pydantic_config__ = STRICT

    model: Annotated[ModelName, Field(description="Model name, hub id, folder or GGUF file.")] = "smollm2-135m"
    task: Annotated[TaskName, Field(description="Task name or TOML file.")] = "bbc-headlines"
    data: Annotated[FilePath | None, Field(description="Local file or folder with the task's examples.")] = None
    feedback: FilePath | None = None
    shots: Annotated[Count, Field(description="Training examples per class.")] = 16
    test_examples: Annotated[Count | None, Field(description="Test on at most this many examples.")] = None
    device: Annotated[str, Field(description="auto, cpu, cuda, mps or sharded.")] = "auto"
