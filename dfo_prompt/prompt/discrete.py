"""The objective "trigger": the loss of a prompt of vocabulary tokens."""

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
    """Build the loss of a prompt of `dim` tokens, one per coordinate, for a language model on a k-shot task.

    A coordinate is rounded to an index into a random order of the vocabulary, modulo its size. Neighbours in that order are
    unrelated, so use the optimizer "coordinate" and a sigma as large as the vocabulary.

    Args:
        dim: number of tokens.
        seed: seed of the split and of the order of the vocabulary.
        problem: language model and task.
        prompt: place, loss, calibration and dtype; tokens is ignored, because suites set it for other objectives.
        endpoint: endpoint that scores the prompts, sent as token ids; None for the model in this process.

    Raises:
        InputError: a name is unknown, a value is invalid, data or model cannot be loaded, or `prompt` sets another key.
    """
    prompt = prompt or PromptConfig()
    keys = ("tokens", "place", "loss", "calibration", "dtype")
    if prompt != PromptConfig(**{key: getattr(prompt, key) for key in keys}):
        raise InputError(f"objective 'trigger' takes only these keys of [prompt]: {', '.join(keys)}")
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
