"""Tunes a prompt for labelled texts in one call."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dfo_prompt._util.temporary import folder_or_temporary
from dfo_prompt.api.columns import columns_of, is_frame
from dfo_prompt.api.labelled import Labelled, labelled, name_of, rows_of, template_for, words_of, write_task
from dfo_prompt.api.minimize_result import MinimizeResult, Recorder
from dfo_prompt.api.paths import path_of
from dfo_prompt.api.progress import study_progress
from dfo_prompt.config.reading import merge, parse_config
from dfo_prompt.config.study import STUDY, StudyConfig
from dfo_prompt.contracts.objective import Objective
from dfo_prompt.errors import DataError, InputError
from dfo_prompt.methods.run import run_method
from dfo_prompt.methods.setting import Predict
from dfo_prompt.run.budgets import check_limits
from dfo_prompt.run.objectives import Objectives
from dfo_prompt.study.result import HeldOut, Result, StudyResult
from dfo_prompt.tasks.examples import prepare
from dfo_prompt.tasks.task import find_task
from dfo_prompt.types import Matrix

WHERE = "tune()"


@dataclass(frozen=True, kw_only=True)
class TuneResult:
    """A classifier of texts: a tuned prompt, or the result of another method.

    Attributes:
        study: result of the study or method.
        config: configuration of the study or method.
        classes: (C,) the caller's labels, in the order of `scores`.
        metric: name of the metric of `held_out`.
        folder: folder of task and study; None if it was not kept.
        labeller: function that returns the probabilities (N, C) of texts.
        objective: objective of the study, for `compare` and other searches; None for a method without candidates.
    """

    study: Result
    config: StudyConfig
    classes: tuple[Any, ...]
    metric: str
    folder: Path | None
    labeller: Predict
    objective: Objective | None

    @property
    def held_out(self) -> HeldOut:
        """Return the metric on dev and test, and that of the hand-written template if a study measured it."""
        return self.study.held_out or HeldOut()

    def predict(self, texts: Iterable[Any]) -> list[Any]:
        """Return the label of each text, or pair of texts."""
        return [self.classes[best] for best in self.scores(texts).argmax(axis=1)]

    def scores(self, texts: Iterable[Any]) -> Matrix:
        """Return the probabilities (N, C) of the classes.

        Raises:
            DataError: `texts` holds something other than texts, or is a data frame, a table or a set.
        """
        return self.labeller(rows_of([texts] if isinstance(texts, str) else texts, where="predict()"))

    def __repr__(self) -> str:
        test = self.held_out.test_metric
        scored = "no test score" if test is None else f"test {self.metric} {test:.3g}"
        return f"<TuneResult: {self._name}, {scored}, {len(self.classes)} classes, {self.study.spent.queries:,} queries>"

    def _repr_html_(self) -> str | None:
        try:
            from dfo_prompt.report.html import study_html  # noqa: PLC0415 - an extra, and only for notebooks
        except ImportError:
            return None  # the notebook falls back to the one-line text
        losses = self.study.losses if isinstance(self.study, MinimizeResult) else np.zeros(0)
        more = [("metric", self.metric), ("classes", ", ".join(map(str, self.classes)))]
        return study_html(self.study, losses, optimizer=self._name, more=more)

    @property
    def _name(self) -> str:
        return self.config.optimizer if self.config.method == STUDY else self.config.method


def tune(
    texts: Any,
    labels: Any,
    *,
    budget: int | None = None,
    model: Path | str | None = None,
    optimizer: str | None = None,
    method: str | None = None,
    seed: int = 0,
    shots: int | None = None,
    test: Any = None,
    words: Mapping[Any, str] | None = None,
    template: str | None = None,
    metric: str = "accuracy",
    settings: Mapping[str, Any] | None = None,
    out: Path | str | None = None,
    progress: bool | None = None,
) -> TuneResult:
    """Tune a prompt that classifies texts, or fit another method.

    Args:
        texts: N texts or pairs of texts as a list or Series; or a data frame (pandas, polars, pyarrow, a Hugging Face data
            set) whose columns, except `labels`, are the texts.
        labels: N labels; for a data frame, the name of their column.
        budget: number of queries, each of which scores a prompt on all training examples; 8,000 by default.
        model: a name that `dfo-prompt list models` shows, a hub id, or the path of a model folder or GGUF file; smollm2-135m
            by default.
        optimizer: a name that `dfo-prompt list optimizers` shows; cma by default.
        method: another method than a study; see `dfo-prompt list methods`.
        seed: seed of split, projection, start and optimizer.
        shots: training examples per class, and as many for selection; 16 by default, or fewer if a class is too small.
        test: held-out examples, as a data frame or (texts, labels); by default the texts that are not drawn.
        words: label word of each label; by default the label itself.
        template: see `Task`; by default the text, and "Category: " on the next line.
        metric: a name that `dfo-prompt list metrics` shows.
        settings: further keys of a study, as in a STUDY.toml, which win; `problem.task` and `problem.data` are refused. The
            keys of a preset in `settings` replace the defaults of this function, but no argument that is given.
        out: folder for task and study; the same call continues it, and `dfo-prompt predict OUT/study` classifies texts with
            it. Without a folder only the result is kept.
        progress: True to show progress, False to hide it; by default shown on a terminal and in a notebook.

    Raises:
        DataError: texts or labels are invalid, or too few for `shots`.
        InputError: a name, an option or a value is invalid, or `out` holds something else.
        StudyError, PluginError: see `run_method`.
    """
    _check_settings(settings)
    kept = path_of(out, "out", where=WHERE)
    for name, value in (("template", template or ""), ("metric", metric)):
        if not isinstance(value, str):
            raise InputError(f"{WHERE}: {name} must be a text, not {value!r:.40}")
    train = labelled(texts, labels, where=WHERE)
    unseen = _test(test, texts, labels, train)
    label_words = words_of(train, words, where=WHERE)
    keys = _given(method=method, optimizer=optimizer, budget=budget) | {"seed": seed}
    with folder_or_temporary(kept) as folder:
        task = write_task(folder, train, unseen, words=label_words, template=template or template_for(train), metric=metric)
        problem = _given(model=None if model is None else str(model), shots=shots) | {"task": str(task.absolute())}
        written = merge({**keys, "problem": problem}, settings or {})
        config = parse_config(written, where=WHERE)
        if "shots" not in written["problem"]:
            enough = min(config.problem.shots, train.shots(label_words, parts=2 if unseen else 3))
            config = replace(config, problem=replace(config.problem, shots=enough))
        check_limits(config)
        recorder, objectives, place = Recorder(), Objectives(), folder / "study" if kept else None
        with study_progress(progress) as shown:
            outcome = run_method(config, out=place, observers=[*shown, recorder], objectives=objectives)
        read = find_task(config.problem.task)
    result = outcome.result
    if isinstance(result, StudyResult):
        result = recorder.with_losses(result, config.optimizer)
    return TuneResult(
        study=result,
        config=config,
        classes=_classes(train, label_words),
        metric=metric,
        folder=folder if kept else None,
        labeller=lambda texts: outcome.fitted.predict([prepare(read, row) for row in texts]),
        objective=objectives.get(config) if isinstance(result, StudyResult) else None,
    )


def _given(**keys: Any) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if value is not None}


def _check_settings(settings: Mapping[str, Any] | None) -> None:
    """Refuse keys that would replace the task: the result names the classes and the metric of the task made here."""
    if not isinstance(settings, Mapping | None):
        raise InputError(f"{WHERE}: settings must be a dict, not {settings!r:.40}")
    problem = (settings or {}).get("problem")
    for key in ("task", "data"):
        if isinstance(problem, Mapping) and key in problem:
            fault = f"settings cannot set problem.{key}, because texts and labels make the task"
            raise InputError(f"{WHERE}: {fault}; leave it out, or use dfo-prompt run --{key}")


def _test(data: Any, texts: Any, labels: Any, train: Labelled) -> Labelled | None:
    if data is None:
        return None
    where = f"{WHERE}: test"
    if is_frame(data):
        _check_columns(data, texts, labels, where)
        data = data, labels
    if not isinstance(data, tuple | list) or len(data) != 2:  # noqa: PLR2004
        raise DataError(f"{where} must be a data frame, or texts and labels, not {data!r:.40}")
    test = labelled(*data, where=where)
    if unknown := test.classes.keys() - train.classes.keys():
        raise DataError(f"{WHERE}: test has the label {min(unknown)!r}, which no training text has")
    if len(test.texts[0]) != len(train.texts[0]):
        raise DataError(f"{WHERE}: test has {len(test.texts[0])} texts a row, the training examples {len(train.texts[0])}")
    return test


def _check_columns(test: Any, train: Any, label: Any, where: str) -> None:
    """Check that the text columns of two data frames have the same names in the same order."""
    if is_frame(train):
        (here, there) = (columns_of(frame, label, where=where) for frame in (test, train))
        if here != there:
            columns = [", ".join(map(str, names)) for names in (here, there)]
            raise DataError(
                f"{where} has the text columns {columns[0]}, the training examples {columns[1]}; select and rename"
            )


def _classes(train: Labelled, words: Mapping[str, str]) -> tuple[Any, ...]:
    """Return a label per class of the task, in its order; labels with the same word form a class named after the first."""
    first = {word: name for name, word in reversed([*words.items()])}
    return tuple(train.classes[name_of(first[word])] for word in dict.fromkeys(words.values()))
