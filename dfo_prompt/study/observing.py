"""Notifies the observers of a study, and drops those that fail."""

import warnings
from collections.abc import Callable, Sequence

from dfo_prompt.errors import one_line
from dfo_prompt.study.records import Record
from dfo_prompt.study.result import Batch, Observer, StudyInfo, StudyResult, Validation


class Observers:
    """The observers of a study. One that raises is dropped with a warning."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = list(observers)
        self._ended = False

    def started(self, info: StudyInfo) -> None:
        """Report the start, or the continuation, of the study."""
        self._notify(lambda observer: observer.study_started(info))

    def evaluated(self, batch: Batch) -> None:
        """Report a journaled batch."""
        self._notify(lambda observer: observer.batch_evaluated(batch))

    def ended(self, reason: str) -> None:
        """Report once that the search has ended to the observers that take it."""
        if not self._ended:
            self._ended = True
            self._notify(lambda observer: getattr(observer, "search_ended", unheard)(reason))

    def validated(self, record: Record, metric: str) -> None:
        """Report a score on held-out examples to the observers that take it."""
        score = record.metrics.get(metric)
        report = Validation(
            split=record.split, role=record.role, query=record.query, metric=metric, score=score, loss=record.loss
        )
        self._notify(lambda observer: getattr(observer, "validated", unheard)(report))

    def failed(self, error: str) -> None:
        """Report the error line of a failed study to the observers that take it."""
        self._notify(lambda observer: getattr(observer, "failed", unheard)(error))

    def finished(self, result: StudyResult) -> None:
        """Report the result."""
        self._notify(lambda observer: observer.study_finished(result))

    def _notify(self, tell: Callable[[Observer], None]) -> None:
        for observer in list(self._observers):
            try:
                tell(observer)
            except Exception as error:
                self._observers.remove(observer)
                fault = f"observer {type(observer).__name__} failed and is dropped: {one_line(error)}"
                warnings.warn(fault, RuntimeWarning, stacklevel=2)


def unheard(*_: object) -> None:
    """Stand in for an optional method that an observer lacks."""
