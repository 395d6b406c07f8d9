"""Tunes a prompt for labelled texts, in one call."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from dfo_prompt.api.labelled import Labelled, labelled, name_of, rows_of, template_for, words_of, write_task
from dfo_prompt.api.minimize_result import MinimizeResult, Recorder
from dfo_prompt.api.progress import study_progress
from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.config.reading import merge, parse_config
from dfo_prompt.config.study import STUDY, StudyConfig
from dfo_prompt.contracts.objective import Objective
from dfo_prompt.errors import DataError
from dfo_prompt.methods.run import run_method
from dfo_prompt.methods.setting import Predict
from dfo_prompt.run.objectives import Objectives
from dfo_prompt.study.result import HeldOut, Result, StudyResult
from dfo_prompt.types import Matrix

WHERE = "tune()"


@dataclass(frozen=True, kw_only=True)
class TuneResult:
    """A tuned prompt, or what another method learned, that labels texts.

    Attributes:
        study: figures, and of a study its candidates.
        config: of the study or method.
        classes: (C,) labels as they were given, in the order of `scores`.
        metric: name of the metric of `held_out`.
        folder: where the task and the study lie; None where nothing was kept.
        labeller: returns scores (N, C) of texts.
        objective: of the study, for `compare` and other searches; None of a method that has no candidates.
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
        """Return the metric on dev and test, beside that of the hand-written template where a study measured it."""
        return self.study.held_out or HeldOut()

    def predict(self, texts: Iterable[Any]) -> list[Any]:
        """Return the label of each text, or pair of texts."""
        return [self.classes[best] for best in self.scores(texts).argmax(axis=1)]

    def scores(self, texts: Iterable[Any]) -> Matrix:
        """Return the scores (N, C) of the classes; after a study they are probabilities.

        Raises:
            DataError: there is something else than texts.
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
            return None  # the one-line text stands in
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
    model: Path | str = ProblemConfig.model,
    optimizer: str = StudyConfig.optimizer,
    method: str = STUDY,
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
    """Tune a prompt that labels texts, or learn it by another method.

    Args:
        texts: N texts, or pairs of them: a list, a Series; or a data frame, whose columns besides `labels` are the texts.
        labels: N labels; of a data frame, the name of their column.
        budget: queries, each a prompt on all training examples; 8,000 by default.
        model: a name that `dfo-prompt list models` shows, a hub id, or the path of a model folder or GGUF file.
        optimizer: a name that `dfo-prompt list optimizers` shows.
        method: another method than a study; see `dfo-prompt list methods`.
        seed: of split, projection, start and optimizer.
        shots: training examples a class, and as many to choose on; 16 by default, or what the smallest class has.
        test: held-out examples, a data frame or (texts, labels); by default the texts that are not drawn.
        words: label word of each label; by default the label itself.
        template: see `Task`; by default the text, and "Category: " on the next line.
        metric: a name that `dfo-prompt list metrics` shows.
        settings: further keys of a study, as in a STUDY.toml, which win.
        out: folder for task and study; the same call continues it, and `dfo-prompt predict OUT/study` labels texts with it.
            Without one, nothing is kept but the result.
        progress: True shows it, False does not; by default on a terminal and in a notebook.

    Raises:
        DataError: texts or labels are unsound, or too few for `shots`.
        InputError: a name, an option or a value is wrong, or `out` holds something else.
        StudyError, PluginError: see `run_method`.
    """
    train = labelled(texts, labels, where=WHERE)
    unseen = _test(test, labels, train)
    given = words_of(train, words, where=WHERE)
    keys: dict[str, Any] = {"method": method, "optimizer": optimizer, "seed": seed}
    keys |= {} if budget is None else {"budget": budget}
    with _folder(out) as folder:
        task = write_task(folder, train, unseen, words=given, template=template or template_for(train), metric=metric)
        drawn = shots or train.shots(given, parts=2 if unseen else 3)
        problem = {"model": str(model), "task": str(task.absolute()), "shots": drawn}
        config = parse_config(merge({**keys, "problem": problem}, settings or {}), where=WHERE)
        recorder, objectives, place = Recorder(), Objectives(), folder / "study" if out else None
        with study_progress(progress) as shown:
            found = run_method(config, out=place, observers=[*shown, recorder], objectives=objectives)
    result = found.result
    if isinstance(result, StudyResult):
        result = recorder.with_losses(result, config.optimizer)
    return TuneResult(
        study=result,
        config=config,
        classes=_classes(train, given),
        metric=metric,
        folder=folder if out else None,
        labeller=found.fitted.predict,
        objective=objectives.get(config) if isinstance(result, StudyResult) else None,
    )


def _test(given: Any, labels: Any, train: Labelled) -> Labelled | None:
    if given is None:
        return None
    texts, labels = (given, labels) if hasattr(given, "columns") else given
    test = labelled(texts, labels, where=f"{WHERE}: test")
    if unknown := test.classes.keys() - train.classes.keys():
        raise DataError(f"{WHERE}: test has the label {min(unknown)!r}, which no training text has")
    if len(test.texts[0]) != len(train.texts[0]):
        raise DataError(f"{WHERE}: test has {len(test.texts[0])} texts a row, the training examples {len(train.texts[0])}")
    return test


def _classes(train: Labelled, words: Mapping[str, str]) -> tuple[Any, ...]:
    """Return the labels in the order of the task's classes; labels that share a word are one, called by the first."""
    first = {word: name for name, word in reversed([*words.items()])}
    return tuple(train.classes[name_of(first[word])] for word in dict.fromkeys(words.values()))


@contextmanager
def _folder(out: Path | str | None) -> Iterator[Path]:
    if out is not None:
        yield Path(out)
        return
    with TemporaryDirectory(prefix="dfo-prompt-") as folder:
        yield Path(folder)
