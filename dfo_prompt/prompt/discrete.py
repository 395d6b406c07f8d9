"""The objective named "trigger": a prompt of tokens of the vocabulary, searched without gradients."""

from dfo_prompt._util.seeding import Stream, generator
from dfo_prompt.config.study import DEFAULT_MODEL, DEFAULT_SHOTS, DEFAULT_TASK
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.prompt.objective import PromptObjective
from dfo_prompt.prompt.open import open_problem
from dfo_prompt.prompt.tokens import TokenPrompts


def trigger_objective(
    *,
    dim: int,
    seed: int,
    model: str = DEFAULT_MODEL,
    task: str = DEFAULT_TASK,
    data: str | None = None,
    shots: int = DEFAULT_SHOTS,
    test_examples: int | None = None,
    prompt_tokens: int | None = None,
    loss: str = "cross_entropy",
    calibration: str = "none",
    dtype: str = "auto",
    device: str = "auto",
) -> PromptObjective:
    """Build the loss of a prompt of `dim` tokens, one a coordinate, for a language model on a k-shot task.

    A coordinate is rounded to a place in a random order of the vocabulary, around which it wraps. There is no sense of
    nearness in that order: take the optimizer "coordinate", and a sigma as large as the vocabulary.

    Args:
        dim: the number of tokens.
        seed: of the split and of the order of the vocabulary.
        model, task, data, shots, test_examples, device: see `open_problem`.
        prompt_tokens: the same as `dim`, for suites in which other objectives are given it.
        loss, calibration, dtype: see `prompt_objective`.

    Raises:
        InputError: a name is unknown, a value is bad, or data or model cannot be had.
    """
    if prompt_tokens not in (None, dim):
        raise InputError(
            f"objective 'trigger': dim {dim} is the number of tokens, so prompt_tokens cannot be {prompt_tokens}"
        )
    for shelf, name in ((catalogue().losses, loss), (catalogue().calibrations, calibration)):
        shelf.find(name)  # before a model is loaded
    problem = open_problem(
        seed=seed, model=model, task=task, data=data, shots=shots, test_examples=test_examples, device=device
    )
    return PromptObjective(
        problem=problem,
        projection=TokenPrompts(problem.lm, generator(seed, Stream.TRIGGER)),
        prompt_tokens=dim,
        dim=dim,
        loss=loss,
        calibration=calibration,
        dtype=dtype,
    )
