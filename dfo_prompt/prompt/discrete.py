"""The objective named "trigger": a prompt of tokens of the vocabulary, searched without gradients."""

from dfo_prompt._util.seeding import Stream, generator
from dfo_prompt.config.endpoint import EndpointConfig
from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.errors import InputError
from dfo_prompt.prompt.objective import PromptObjective
from dfo_prompt.prompt.open import open_problem, with_prompt_at
from dfo_prompt.prompt.tokens import TokenPrompts


def trigger_objective(
    *,
    dim: int,
    seed: int,
    problem: ProblemConfig | None = None,
    prompt: PromptConfig | None = None,
    endpoint: EndpointConfig | None = None,
) -> PromptObjective:
    """Build the loss of a prompt of `dim` tokens, one a coordinate, for a language model on a k-shot task.

    A coordinate is rounded to a place in a random order of the vocabulary, around which it wraps. There is no sense of
    nearness in that order: take the optimizer "coordinate", and a sigma as large as the vocabulary.

    Args:
        dim: the number of tokens.
        seed: of the split and of the order of the vocabulary.
        problem: the language model and the task.
        prompt: place, loss, calibration and dtype; tokens may be given in suites for other objectives.
        endpoint: what scores the prompts, sent as token ids; None for the model in this process.

    Raises:
        InputError: a name is unknown, a value is bad, data or model cannot be had, or `prompt` sets something else.
    """
    prompt = prompt or PromptConfig()
    heeded = ("tokens", "place", "loss", "calibration", "dtype")
    if prompt != PromptConfig(**{name: getattr(prompt, name) for name in heeded}):
        raise InputError(f"objective 'trigger' takes {', '.join(heeded)} of a prompt, and nothing else of it")
    opened = open_problem(problem or ProblemConfig(), seed=seed, served=endpoint is not None)
    opened = with_prompt_at(opened, prompt.place)
    return PromptObjective(
        problem=opened,
        projection=TokenPrompts(opened.lm, generator(seed, Stream.TRIGGER)),
        prompt_tokens=dim,
        dim=dim,
        loss=prompt.loss,
        calibration=prompt.calibration,
        dtype=prompt.dtype,
        endpoint=endpoint,
        name="trigger",
    )
