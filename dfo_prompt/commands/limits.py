"""Time limits of a single study, enforced by the supervising process."""

from dfo_prompt._util.supervisor import GOES_ON, Supervisor
from dfo_prompt.errors import InputError
from dfo_prompt.study.result import Batch, StudyInfo, StudyResult


class BatchDeadline:
    """An observer that limits the time between two batches."""

    def __init__(self, supervisor: Supervisor, batch_seconds: float) -> None:
        self._supervisor = supervisor
        self._seconds = batch_seconds

    def study_started(self, info: StudyInfo) -> None:  # noqa: ARG002
        """Limit the first batch."""
        self._limit(0)

    def batch_evaluated(self, batch: Batch) -> None:
        """Limit the next batch, including evaluations on dev before it."""
        self._limit(batch.queries)

    def search_ended(self, reason: str) -> None:  # noqa: ARG002
        """Remove the limit: there is no next batch, and the evaluations that remain may take longer."""
        self._remove()

    def study_finished(self, result: StudyResult) -> None:  # noqa: ARG002
        """Remove the limit."""
        self._remove()

    def _limit(self, queries: int) -> None:
        message = f"the batch after query {queries} took longer than {self._seconds:g} seconds; {GOES_ON}"
        self._supervisor.limit("batch", self._seconds, message)

    def _remove(self) -> None:
        self._supervisor.limit("batch", None, "")


def set_limits(
    supervisor: Supervisor | None, *, batch_seconds: float | None, study_seconds: float | None
) -> list[BatchDeadline]:
    """Start the time limits of a study; return the observers that they require.

    Raises:
        InputError: this process has no supervisor.
    """
    if batch_seconds is None and study_seconds is None:
        return []
    if supervisor is None:
        raise InputError("limits of time need a supervising process: run dfo-prompt, on Linux or macOS, for itself")
    if study_seconds is not None:
        supervisor.limit("study", study_seconds, f"the study took longer than {study_seconds:g} seconds; {GOES_ON}")
    return [] if batch_seconds is None else [BatchDeadline(supervisor, batch_seconds)]
