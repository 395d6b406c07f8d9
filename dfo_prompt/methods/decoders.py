"""Methods that train decoders of a frozen model's answers at the answer slot."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Annotated

import numpy as np
from pydantic import Field

from dfo_prompt._util.memory import allocated_by
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError
from dfo_prompt.lm.encoding import first_token
from dfo_prompt.lm.precision import choose_precision
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.methods.chains import chain_of, chained
from dfo_prompt.methods.contexts import draw_contexts
from dfo_prompt.methods.kept import kept
from dfo_prompt.methods.setting import Fitted, Setting
from dfo_prompt.methods.slots import Answers, HiddenStates, LabelScores, Slot, TopTokens, View, tasks_of
from dfo_prompt.methods.studies import tune
from dfo_prompt.methods.voting import Fitting, Voters, fitted, refitted
from dfo_prompt.methods.words import distinctive_words
from dfo_prompt.study.costs import Spent
from dfo_prompt.tasks.task import Task
from dfo_prompt.types import Json

Depths = Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)]
"""Layers as fractions of the model's depth; 1 is the last layer."""
LAST: Depths = (1.0,)
UPPER_HALF: Depths = (0.5, 0.67, 0.83, 1.0)
DEFAULT = Fitting()
SCORES = Fitting(strength=0.03)


def decoder(setting: Setting, *, depths: Depths = LAST, fit: Fitting = DEFAULT) -> Fitted:
    """Fit a classifier on hidden states at the answer slot of the task's template (after DecT: Cui et al., 2023).

    Args:
        setting: the entry's setting.
        depths: the layers, as fractions of the model's depth with 1 for the last; several layers vote.
        fit: a table that sets head, strength, words, sharpness or join_dev of the classifiers and their vote; see `Fitting`.
    """
    view = HiddenStates(lm=setting.problem.lm, depths=depths)
    return _decode(setting, _slots(setting, view), fit)


def multi_prompt_decoder(
    setting: Setting, *, depths: Depths = UPPER_HALF, templates: tuple[str, ...] = (), fit: Fitting = DEFAULT
) -> Fitted:
    """Fit a decoder for each template and layer, and return the weighted mean of log-probabilities (after MPD, 2024).

    Args:
        setting: the entry's setting.
        depths: the layers, as fractions of the model's depth with 1 for the last.
        templates: templates that replace the task's own patterns.
        fit: a table that sets head, strength, words, sharpness or join_dev of the classifiers and their vote; see `Fitting`.

    Raises:
        InputError: a template is invalid.
    """
    view = HiddenStates(lm=setting.problem.lm, depths=depths)
    return _decode(setting, _slots(setting, view, tasks_of(setting.problem.task, templates)), fit)


def chained_decoder(
    setting: Setting,
    *,
    depths: Depths = UPPER_HALF,
    copies: Annotated[int, Field(ge=1, le=100)] = 1,
    contexts: Annotated[int, Field(ge=0, le=100)] = 0,
    templates: tuple[str, ...] = (),
    fit: Fitting = DEFAULT,
) -> Fitted:
    """Fit a decoder for each end of a chain and each layer; the decoders vote. See `Chain`.

    With contexts, the chain is also asked behind demonstrations of itself, whose last question is answered.

    Args:
        setting: the entry's setting.
        depths: the layers, as fractions of the model's depth with 1 for the last.
        copies: the number of copies of the text.
        contexts: the number of times that it is asked behind demonstrations, each time others; see `draw_contexts`.
        templates: templates whose questions replace the task's own chain, or its patterns if it has none.
        fit: a table that sets head, strength, words, sharpness or join_dev of the classifiers and their vote; see `Fitting`.

    Raises:
        InputError: a template is invalid, or the model is a masked language model, which attends to all questions.
    """
    lm = setting.problem.lm
    if lm.head != "causal":
        raise InputError(f"a chain needs a decoder-only model, which {lm.name!r} is not; use multi-prompt-decoder")
    chain = chain_of(setting.problem.task, templates, copies=copies)
    view = HiddenStates(lm=lm, depths=depths, places=partial(chain.back, lm))
    scorer = _scorer(setting)
    slots = [Slot(lm, chain.task, scorer, view)]
    for context in draw_contexts(setting.problem, chain.task, contexts):
        prompt = context.prompt  # a service receives its token ids
        slots.append(Slot(lm, chain.task, scorer, view, prompt=prompt, dim=len(prompt), shown=context.shown))
    return _decode(setting, slots, fit)


def describe_chain(setting: Setting) -> dict[str, Json]:
    """Return the task's own chain for the manifest, if a chained decoder uses it."""
    chain = None if setting.config.method_options.get("templates") else setting.problem.task.chain
    return {"chain": {"text": chain.text, "questions": list(chain.questions)}} if chain else {}


def decoder_top_k(setting: Setting, *, k: Annotated[int, Field(ge=2)] = 20, fit: Fitting = DEFAULT) -> Fitted:
    """Fit a classifier on the k most likely tokens at the answer slot; see `TopTokens`.

    Args:
        setting: the entry's setting.
        k: the number of tokens; 20 is the most that OpenAI's chats return.
        fit: a table that sets head, strength, words, sharpness or join_dev of the classifiers and their vote; see `Fitting`.
    """
    return _decode(setting, _slots(setting, TopTokens(lm=setting.problem.lm, k=k)), fit)


def label_scores_decoder(
    setting: Setting,
    *,
    sets: Annotated[int, Field(ge=0)] = 15,
    templates: tuple[str, ...] = (),
    fit: Fitting = SCORES,
) -> Fitted:
    """Fit a classifier on the scores of several sets of label words under several templates; see `LabelScores`.

    Words are those of the task's patterns and of the training texts; each is scored by its first token. Templates are the
    prefixes of a chain for causal models, and otherwise the patterns.

    Args:
        setting: the entry's setting.
        sets: the most sets of words from the training texts; see `distinctive_words`.
        templates: templates that replace the task's own patterns.
        fit: a table that sets head, strength, words, sharpness or join_dev of the classifiers and their vote; see `Fitting`.

    Raises:
        InputError: a template is invalid.
    """
    problem, scorer = setting.problem, _scorer(setting)
    tasks = tasks_of(problem.task, templates)
    if problem.lm.head == "causal":
        chain = chained(tasks, copies=1)
        tasks = [replace(chain.task, template=end) for end in chain.ends]
    verbalizers = list(dict.fromkeys(task.words for task in tasks_of(problem.task, ())))
    classes = len(problem.task.words)
    verbalizers += distinctive_words(problem.texts("train"), problem.labels("train"), classes, sets=sets)

    words = [[first_token(problem.lm, f" {word}") for word in verbalizer] for verbalizer in verbalizers]
    return _decode(setting, [Slot(problem.lm, task, scorer, LabelScores(words=words)) for task in tasks], fit)


def tuned_decoder(setting: Setting, *, depths: Depths = LAST, fit: Fitting = DEFAULT) -> Fitted:
    """Run the entry's own study and fit a decoder under the prompt that is best on dev.

    Args:
        setting: the entry's setting.
        depths: the layers, as fractions of the model's depth with 1 for the last; several layers vote.
        fit: a table that sets head, strength, words, sharpness or join_dev of the classifiers and their vote; see `Fitting`.

    Raises:
        InputError: see `tune`.
    """
    folder = setting.folder and setting.folder / "study"
    objective, result = tune(setting, setting.config, folder=folder)
    lm, task = objective.problem.lm, objective.problem.task  # its template places the prompt
    view = HiddenStates(lm=lm, depths=depths)
    slot = Slot(lm, task, _scorer(setting), view, prompt=objective.prompt(result.chosen), dim=objective.dim)
    decoded = _decode(setting, [slot], fit)
    return replace(
        decoded,
        spent=result.spent + decoded.spent,
        validation=result.validation,
        seconds=result.spent.seconds + (decoded.seconds or 0),
        user_bytes=None if result.user_bytes is None else max(result.user_bytes, decoded.user_bytes or 0),
        failures=result.failures,
    )


def _decode(setting: Setting, slots: Sequence[Slot], how: Fitting) -> Fitted:
    problem, words = setting.problem, how.words != "none"
    train, spent = _asked(setting, slots, "train", words=words)
    dev, more = _asked(setting, slots, "dev", words=words) if how.join_dev else ([], Spent())
    started = perf_counter()
    both = [_stacked(*pair) for pair in zip(train, dev, strict=False)]
    voters: list[Voters] = []

    def fit() -> None:
        first = [fitted(*pair, problem.labels("train"), how) for pair in zip(slots, train, strict=True)]
        voters.append(Voters(readings=first, sharpness=how.sharpness))
        if both:
            labels = np.concatenate([problem.labels("train"), problem.labels("dev")])
            again = [refitted(*pair, labels, how) for pair in zip(first, both, strict=True)]
            voters.append(Voters(readings=again, sharpness=how.sharpness))

    user = sum(answers.figures.nbytes for answers in both or train) + allocated_by(fit)
    members = voters[-1].members
    return Fitted(
        predict=voters[-1].predict,
        spent=spent + more,
        seconds=(spent + more).seconds + perf_counter() - started,
        user_bytes=user,
        dev_metric=problem.metric_of(voters[0].scores(dev), "dev") if dev else None,
        about={
            "prompts": len(slots),
            "members": len(members),
            "with_words": sum(member.words for member in members),
            "fitted_on": "train and dev" if dev else "train",
        },
    )


def _asked(setting: Setting, slots: Sequence[Slot], split: str, *, words: bool) -> tuple[list[Answers], Spent]:
    """Return the answers of every slot to the texts of a split, kept in the setting's folder, and their costs."""
    texts = setting.problem.texts(split)
    answers = [
        kept(setting, f"{split}-{number}", partial(slot.ask, texts, words=words)) for number, slot in enumerate(slots)
    ]
    usage = sum((answer.usage for answer in answers), Usage(queries=sum(slot.view.queries for slot in slots)))
    return answers, Spent.of(usage, objective_seconds=sum(answer.seconds for answer in answers))


def _stacked(first: Answers, second: Answers) -> Answers:
    return Answers(
        figures=np.concatenate([first.figures, second.figures]),
        words=np.concatenate([first.words, second.words]),
        usage=first.usage + second.usage,
        seconds=first.seconds + second.seconds,
    )


def _slots(setting: Setting, view: View, tasks: Sequence[Task] | None = None) -> list[Slot]:
    lm, scorer = setting.problem.lm, _scorer(setting)
    return [Slot(lm, task, scorer, view) for task in tasks or [setting.problem.task]]


def _scorer(setting: Setting) -> Scorer:
    lm = setting.problem.lm
    return Scorer(lm, choose_precision(lm, setting.dtype, lambda _: np.zeros(0)))
