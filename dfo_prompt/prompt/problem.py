"""A problem, the input of every method: a language model, a task and its k-shot split."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dfo_prompt.errors import InputError
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.tasks.examples import Texts, check_some, prepare
from dfo_prompt.tasks.metrics import score
from dfo_prompt.tasks.sampling import FewShot
from dfo_prompt.tasks.task import Task
from dfo_prompt.types import Json, Matrix


@dataclass(frozen=True, kw_only=True)
class TaskSplit:
    """A task, and the split that methods are compared on.

    Attributes:
        task: the task.
        data: the few-shot split.
        seed: seed of the split, and of the methods' random numbers.
    """

    task: Task
    data: FewShot
    seed: int

    def texts(self, split: str) -> list[tuple[str, ...]]:
        """Return the N texts of "train", "dev" or "test"."""
        return [example.texts for example in self.data.part(split)]

    @property
    def drawn_texts(self) -> list[tuple[str, ...]]:
        """Return the training texts without feedback, so that a candidate has the same meaning with and without it."""
        return [example.texts for example in self.data.drawn.train]

    def prepared(self, texts: Texts) -> list[tuple[str, ...]]:
        """Return new texts prepared as those of the split are; see `prepare`.

        Raises:
            InputError: there is no example; or an example has an empty text, or another number of texts than the task.
        """
        check_some(texts)
        for number, text in enumerate(texts, start=1):
            if len(text) != len(self.task.fields):
                count = f"{len(text)} texts separated by tabs, and task {self.task.name!r} has {len(self.task.fields)}"
                raise InputError(f"the example that begins with {text[0]!r} has {count}")
            if not all(part.strip() for part in text):
                raise InputError(f"example {number} has an empty text, as no example of task {self.task.name!r} has")
        return [prepare(self.task, text) for text in texts]

    def labels(self, split: str) -> npt.NDArray[np.int64]:
        """Return the classes (N,) of "train", "dev" or "test"."""
        return np.array([example.label for example in self.data.part(split)], dtype=np.int64)

    def metric(self, predict: Callable[[Texts], Matrix], split: str) -> float:
        """Return the task's metric, on "train", "dev" or "test", of a function from texts to scores (N, C)."""
        return self.metric_of(predict(self.texts(split)), split)

    def metric_of(self, scores: Matrix, split: str) -> float:
        """Return the task's metric of the scores (N, C) of a split's texts."""
        return float(score(self.task.metric, scores.argmax(axis=1)[None], self.labels(split))[0])

    def describe(self) -> dict[str, Json]:
        """Return the settings that define the split, for manifests."""
        return {
            "task": self.task.name,
            "task_fingerprint": self.task.fingerprint,
            **({"prompted_templates": list(self.task.prompted)} if self.task.prompted else {}),
            "metric": self.task.metric,
            "data_fingerprint": self.data.fingerprint,
            "examples": {name: len(self.data.part(name)) for name in ("train", "dev", "test")},
            **self._feedback(),
            **({"rows": self.data.report.describe()} if self.data.report else {}),
        }

    def _feedback(self) -> dict[str, Json]:
        if not self.data.feedback:
            return {}
        return {"feedback": self.data.feedback, "drawn_fingerprint": self.data.drawn.fingerprint}


@dataclass(frozen=True, kw_only=True)
class Problem(TaskSplit):
    """A task split with a frozen language model in this process."""

    lm: LanguageModel

    def describe(self) -> dict[str, Json]:
        """Return the settings that define split and model, for manifests."""
        return {**super().describe(), **self.lm.describe()}
