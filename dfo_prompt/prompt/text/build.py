"""The objective "text-prompt", built from the names of model, task and decoder."""

from functools import partial
from pathlib import Path

import numpy as np

from dfo_prompt.config.endpoint import EndpointConfig
from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.contracts.endpoint import Endpoint
from dfo_prompt.contracts.usage import currencies
from dfo_prompt.endpoints.opening import create_endpoint
from dfo_prompt.errors import InputError
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.local import LocalEndpoint
from dfo_prompt.lm.precision import Precision, choose_precision
from dfo_prompt.prompt.label_words import label_words
from dfo_prompt.prompt.open import open_problem
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.scoring import check_dtype
from dfo_prompt.prompt.text.decoders import Decoder, TextDecoder, random_keys, text_dim
from dfo_prompt.prompt.text.objective import TextObjective
from dfo_prompt.prompt.text.rendering import Rendering
from dfo_prompt.prompt.text.scoring import Words
from dfo_prompt.prompt.text.substitutions import check_start, substitutions
from dfo_prompt.tasks.task import Task
from dfo_prompt.types import Json, Vector

SCORING = ("loss", "calibration", "dtype")
"""The keys of a prompt that every decoder takes."""
SUBSTITUTED = ("start", "projection", "projection_options", "draw")
"""The keys that the decoder "tokens" takes besides."""
PROBES = 8
"""The number of candidates that the probe of a reduced precision ranks: half as many as for soft prompts, because queries of
texts cost more. With so few, the rank correlation is large enough only if nearly all ranks agree."""


def text_objective(
    *,
    dim: int,
    seed: int,
    problem: ProblemConfig | None = None,
    prompt: PromptConfig | None = None,
    endpoint: EndpointConfig | None = None,
    demonstrations: int = 3,
    instructions: Path | None = None,
    decoder: Decoder = "both",
) -> TextObjective:
    """Build the loss of a text, demonstrations and an instruction, for a language model on a k-shot task.

    Args:
        dim: d, which the other settings determine; leave it out of a study to get the correct value. With the decoder
            "tokens" it is free, and 50 by default.
        seed: seed of the split, and of the projection of the decoder "tokens".
        problem: language model and task. The decoder "tokens" takes tokenizer and embeddings from the model, also if an
            endpoint scores the texts.
        prompt: loss, calibration and dtype; for the decoder "tokens" also start ("text:WORDS", the instruction at z = 0),
            projection, projection_options and draw.
        endpoint: endpoint that scores the texts; None for the model in this process.
        demonstrations: number of training examples shown with their answers.
        instructions: text file with one instruction per line, in which {answers} stands for the label words; by default a
            few that suit any task. An empty instruction is always one of the choices.
        decoder: parts that z selects: "demonstrations", the "instruction", or "both"; or the "tokens" of an instruction
            without demonstrations, each the nearest to A z + p0.

    Raises:
        InputError: a name is unknown, a value is invalid, data or model cannot be loaded, `prompt` sets another key, or
            `dim` differs from the value that the settings determine.
    """
    prompt, problem = prompt or PromptConfig(), problem or ProblemConfig()
    _check_prompt(prompt, decoder)
    if decoder == "tokens":
        check_start(prompt.start, instructions)
    else:
        expected = text_dim(problem=problem, demonstrations=demonstrations, instructions=instructions, decoder=decoder)
        _check_dim(dim, expected)
    opened = open_problem(problem, seed=seed, served=endpoint is not None)
    text_decoder, metadata = _text_decoder(opened, prompt, dim, decoder, demonstrations, instructions)
    if endpoint:
        check_dtype(prompt.dtype)
        again = tuple(currencies())
        served = create_endpoint(endpoint)
        return _over(served, opened, text_decoder, prompt.loss, prompt.calibration, costs_again=again, metadata=metadata)
    build = partial(
        local_text_objective, opened, text_decoder, loss=prompt.loss, calibration=prompt.calibration, metadata=metadata
    )

    def probe(precision: Precision) -> Vector:
        return build(precision).evaluate(np.random.default_rng(0).standard_normal((PROBES, text_decoder.dim))).losses

    return build(choose_precision(opened.lm, prompt.dtype, probe))


def _check_prompt(prompt: PromptConfig, decoder: Decoder) -> None:
    keys = (*(SUBSTITUTED if decoder == "tokens" else ()), *SCORING)
    if prompt != PromptConfig(**{name: getattr(prompt, name) for name in ("tokens", *keys)}):
        raise InputError(f"objective 'text-prompt' takes only these keys of [prompt]: {', '.join(keys)}")


def _check_dim(dim: int, expected: int) -> None:
    if dim != expected:
        reason = f"objective 'text-prompt' has {expected} dimensions in these settings, not {dim}"
        raise InputError(f"{reason}; set dim to that, or leave it out")


def _text_decoder(
    problem: Problem, prompt: PromptConfig, dim: int, decoder: Decoder, demonstrations: int, instructions: Path | None
) -> tuple[TextDecoder, dict[str, Json]]:
    """Return the decoder, and the hashes of the files that it is read from."""
    if decoder == "tokens":
        return substitutions(problem, prompt, dim)
    examples = len(problem.drawn_texts)
    text_decoder = random_keys(
        problem.task, examples=examples, parts=decoder, demonstrations=demonstrations, instructions=instructions
    )
    return text_decoder, {}


def local_text_objective(
    problem: Problem,
    text_decoder: TextDecoder,
    precision: Precision | None = None,
    *,
    loss: str,
    calibration: str,
    metadata: dict[str, Json] | None = None,
) -> TextObjective:
    """Build the objective for the model in this process.

    Raises:
        InputError: see `TextObjective`.
    """
    precision = precision or Precision(model=problem.lm.model)
    known: dict[str, Json] = {"dtype": precision.dtype, "dtype_spearman": precision.spearman, **(metadata or {})}
    return _over(LocalEndpoint(problem.lm, precision), problem, text_decoder, loss, calibration, metadata=known)


def _over(
    endpoint: Endpoint,
    problem: Problem,
    text_decoder: TextDecoder,
    loss: str,
    calibration: str,
    *,
    costs_again: tuple[str, ...] = (),
    metadata: dict[str, Json] | None = None,
) -> TextObjective:
    demonstrations = Rendering(problem.task, problem.data.drawn.train).demonstrations
    return TextObjective(
        split=problem,
        endpoint=endpoint,
        words=words_of(problem.lm, problem.task),
        decoder=text_decoder,
        loss=loss,
        calibration=calibration,
        longest=text_decoder.longest(lambda text: len(problem.lm.tokens(text)), demonstrations),
        most_tokens=problem.lm.max_tokens,
        costs_again=costs_again,
        metadata=metadata,
    )


def words_of(lm: LanguageModel, task: Task) -> Words:
    """Return a task's label words in the tokens of a model."""
    return Words(labels=label_words(lm, task), ids=lambda text: (*lm.frame[0], *lm.tokens(text)))
