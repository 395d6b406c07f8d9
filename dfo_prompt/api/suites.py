"""The result of a comparison: leaderboard, verdict, and their display in a notebook."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dfo_prompt.errors import InputError, StudyError, needs_extra
from dfo_prompt.report.texts import counted
from dfo_prompt.suite.status import State, read_status

if TYPE_CHECKING:
    import pandas as pd

    from dfo_prompt.report.analysis import Analysis


@dataclass(frozen=True, kw_only=True)
class SuiteResult:
    """A comparison of optimizers under equal budgets.

    Attributes:
        analysis: analysis behind the report.
        folder: suite folder; None if it was not kept.
        errors: errors of studies without a result, by id.
    """

    analysis: "Analysis"
    folder: Path | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def leaderboard(self) -> "pd.DataFrame":
        """Return a row per optimizer, the best first; see `Analysis.leaderboard`."""
        return self.analysis.leaderboard.copy()

    @property
    def studies(self) -> "pd.DataFrame":
        """Return a row per study, as `read_suite` does."""
        return self.analysis.studies.copy()

    @property
    def verdict(self) -> str:
        """Return the conclusion from the leaderboard in one sentence."""
        from dfo_prompt.report.verdict import verdict  # noqa: PLC0415 - an extra

        return verdict(self.analysis)

    def __repr__(self) -> str:
        failed = f", {len(self.errors)} without a result" if self.errors else ""
        return f"<SuiteResult: {counted(len(self.analysis.studies), 'study')}{failed}. {self.verdict}>"

    def _repr_html_(self) -> str | None:
        try:
            from dfo_prompt.report.html import suite_html  # noqa: PLC0415 - a JavaScript engine, only for notebooks
        except ImportError:
            return None  # the notebook falls back to the one-line text
        return suite_html(self.analysis)


def require_report() -> None:
    """Refuse to start studies that could not be compared at the end.

    Raises:
        InputError: the report extra is not installed.
    """
    try:
        import dfo_prompt.report.analysis  # noqa: F401, PLC0415 - brings pandas
    except ImportError as error:
        raise InputError(f"{needs_extra('a comparison', 'report')} ({error})") from error


def result_of(folder: Path, errors: Mapping[str, str], *, kept: bool = True) -> SuiteResult:
    """Compare the studies of the suite in `folder`; `kept` is False for a temporary folder.

    Raises:
        StudyError: no study is finished; the message gives the first error.
        InputError: see `analyse`.
    """
    from dfo_prompt.report.analysis import analyse  # noqa: PLC0415 - an extra

    try:
        analysis = analyse(folder)
    except InputError as error:
        if errors and not read_status(folder).counts[State.FINISHED]:
            study, first = next(iter(errors.items()))
            raise StudyError(f"no study has a result; {study}: {first}") from error
        raise
    return SuiteResult(analysis=analysis, folder=folder if kept else None, errors=dict(errors))
