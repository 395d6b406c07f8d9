"""The objective "text-prompt", built from the names of model, task and decoder."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from dfo_prompt.config.endpoint import EndpointConfig
from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.contracts.endpoint import Endpoint, Label
from dfo_prompt.contracts.usage import currencies
from dfo_prompt.endpoints.opening import create_endpoint
from dfo_prompt.errors import InputError
from dfo_prompt.lm.encoding import ANCHOR, encode_words
from dfo_prompt.lm.layout import template_of
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.local import LocalEndpoint
from dfo_prompt.lm.precision import Precision, choose_precision
from dfo_prompt.prompt.asking import check_dtype
from dfo_prompt.prompt.open import open_problem
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.text.asking import Words
from dfo_prompt.prompt.text.decoders import Choice, Parts, RandomKeys, random_keys, text_dim
from dfo_prompt.prompt.text.objective import TextObjective
from dfo_prompt.tasks.task import Task
from dfo_prompt.types import Json, Vector

PROBES = 8
"""The number of candidates that the probe of a reduced precision ranks: half of those of soft prompts, whose queries cost
less. With 8, nearly all ranks must agree."""


def text_objective(
    *,
    dim: int,
    seed: int,
    problem: ProblemConfig | None = None,
    prompt: PromptConfig | None = None,
    endpoint: EndpointConfig | None = None,
    demonstrations: int = 3,
    instructions: Path | None = None,
    decoder: Parts = "both",
) -> TextObjective:
    """Build the loss of a text, demonstrations and an instruction, for a language model on a k-shot task.

    Args:
        dim: d, which the other settings determine; leave it out of a study to get the correct value.
        seed: seed of the split.
        problem: language model and task.
        prompt: loss, calibration and dtype.
        endpoint: endpoint that scores the texts; None for the model in this process.
        demonstrations: number of training examples shown with their answers.
        instructions: text file with one instruction per line, in which {answers} stands for the label words; by default a
            few that suit any task. An empty instruction is always one of the choices.
        decoder: parts that z selects: "demonstrations", the "instruction", or "both".

    Raises:
        InputError: a name is unknown, a value is invalid, data or model cannot be loaded, `prompt` sets another key, or
            `dim` differs from the value that the settings determine.
    """
    prompt, problem = prompt or PromptConfig(), problem or ProblemConfig()
    expected = text_dim(problem=problem, demonstrations=demonstrations, instructions=instructions, decoder=decoder)
    _check_settings(prompt, dim, expected)
    opened = open_problem(problem, seed=seed, served=endpoint is not None)
    keys = random_keys(
        opened.task,
        examples=len(opened.data.train),
        parts=decoder,
        demonstrations=demonstrations,
        instructions=instructions,
    )
    if endpoint:
        check_dtype(prompt.dtype)
        again = tuple(currencies())
        return _over(create_endpoint(endpoint), opened, keys, prompt.loss, prompt.calibration, costs_again=again)
    build = partial(local_text_objective, opened, keys, loss=prompt.loss, calibration=prompt.calibration)

    def probe(precision: Precision) -> Vector:
        return build(precision).evaluate(np.random.default_rng(0).standard_normal((PROBES, keys.dim))).losses

    return build(choose_precision(opened.lm.model, prompt.dtype, probe))


def _check_settings(prompt: PromptConfig, dim: int, expected: int) -> None:
    if prompt != PromptConfig(tokens=prompt.tokens, loss=prompt.loss, calibration=prompt.calibration, dtype=prompt.dtype):
        raise InputError("objective 'text-prompt' takes only these keys of [prompt]: loss, calibration, dtype")
    if dim != expected:
        reason = f"objective 'text-prompt' has {expected} dimensions in these settings, not {dim}"
        raise InputError(f"{reason}; set dim to that, or leave it out")


def local_text_objective(
    problem: Problem, keys: RandomKeys, precision: Precision | None = None, *, loss: str, calibration: str
) -> TextObjective:
    """Build the objective for the model in this process.

    Raises:
        InputError: see `TextObjective`.
    """
    precision = precision or Precision(model=problem.lm.model)
    metadata: dict[str, Json] = {"dtype": precision.dtype, "dtype_spearman": precision.spearman}
    return _over(LocalEndpoint(problem.lm, precision), problem, keys, loss, calibration, metadata=metadata)


def _over(
    endpoint: Endpoint,
    problem: Problem,
    keys: RandomKeys,
    loss: str,
    calibration: str,
    *,
    costs_again: tuple[str, ...] = (),
    metadata: dict[str, Json] | None = None,
) -> TextObjective:
    return TextObjective(
        split=problem,
        endpoint=endpoint,
        words=words_of(problem.lm, problem.task),
        decoder=keys,
        loss=loss,
        calibration=calibration,
        longest=_longest(problem, keys),
        most_tokens=problem.lm.max_tokens,
        costs_again=costs_again,
        metadata=metadata,
    )


def words_of(lm: LanguageModel, task: Task) -> Words:
    """Return a task's label words in the tokens of a model."""
    texts = template_of(lm, task).words(task.words)
    pairs = zip(texts, encode_words(lm, task), strict=True)
    labels = tuple(tuple(map(_label, _pieces(lm, text, ids), ids)) for text, ids in pairs)
    return Words(labels=labels, ids=lambda text: (*lm.frame[0], *lm.tokens(text)))


def _label(text: str, token: int) -> Label:
    return Label(text=text, token=token)


def _pieces(lm: LanguageModel, word: str, ids: Sequence[int]) -> list[str]:
    """Return the text of each token of a label word with its spaces, which decoders of some tokenizers drop."""
    for ahead in (ANCHOR, ""):
        encoded = lm.tokenizer(ahead + word, add_special_tokens=False, return_offsets_mapping=True)
        if tuple(encoded.input_ids[-len(ids) :]) == tuple(ids):
            ends = [end for _, end in encoded.offset_mapping[-len(ids) :]]
            return [(ahead + word)[start:end] for start, end in pairwise([len(ahead), *ends[:-1], len(ahead + word)])]
    return [str(lm.tokenizer.decode([token])) for token in ids]


def _longest(problem: Problem, keys: RandomKeys) -> Choice:
    """Return the choice of the longest prompt."""
    sizes = [sum(len(problem.lm.tokens(text)) for text in example.texts) for example in problem.data.train]
    order = sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True)
    instruction = max(keys.instructions, key=lambda text: len(problem.lm.tokens(text) if text else ()))
    return Choice(instruction=instruction, shown=tuple(order[: keys.demonstrations]))
