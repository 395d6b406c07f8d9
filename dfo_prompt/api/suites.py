"""What a comparison of many studies says: leaderboard, verdict, and how a notebook shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dfo_prompt.errors import InputError, StudyError

if TYPE_CHECKING:
    import pandas as pd

    from dfo_prompt.report.analysis import Analysis


@dataclass(frozen=True, kw_only=True)
class SuiteResult:
    """Optimizers compared under equal budgets.

    Attributes:
        analysis: everything that a report rests on.
        folder: of the suite; None where nothing was kept.
        errors: why studies have no result, by id.
    """

    analysis: "Analysis"
    folder: Path | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def leaderboard(self) -> "pd.DataFrame":
        """Return a row an optimizer, the best first; see `Analysis.leaderboard`."""
        return self.analysis.leaderboard.copy()

    @property
    def studies(self) -> "pd.DataFrame":
        """Return a row a study, as `read_suite` does."""
        return self.analysis.studies.copy()

    @property
    def verdict(self) -> str:
        """Return what the leaderboard means, in one sentence."""
        from dfo_prompt.report.verdict import verdict  # noqa: PLC0415 - an extra

        return verdict(self.analysis)

    def __repr__(self) -> str:
        failed = f", {len(self.errors)} without a result" if self.errors else ""
        return f"<SuiteResult: {len(self.analysis.studies)} studies{failed}. {self.verdict}>"

    def _repr_html_(self) -> str | None:
        try:
            from dfo_prompt.report.html import suite_html  # noqa: PLC0415 - a JavaScript engine, only for notebooks
        except ImportError:
            return None  # the one-line text stands in
        return suite_html(self.analysis)


def require_report() -> None:
    """Refuse to begin what could not be compared at its end.

    Raises:
        InputError: the extra of reports is not installed.
    """
    try:
        import dfo_prompt.report.analysis  # noqa: F401, PLC0415 - brings pandas
    except ImportError as error:
        raise InputError(f"comparisons need an extra: pip install 'dfo-prompt[report]' ({error})") from error


def result_of(folder: Path, errors: Mapping[str, str], *, kept: bool = True) -> SuiteResult:
    """Compare what the suite in `folder` found; `kept` tells whether the folder stays.

    Raises:
        StudyError: no study has a result; the first error is named.
        InputError: see `analyse`.
    """
    from dfo_prompt.report.analysis import analyse  # noqa: PLC0415 - an extra

    try:
        analysis = analyse(folder)
    except InputError as error:
        if errors:
            study, first = next(iter(errors.items()))
            raise StudyError(f"no study has a result; {study}: {first}") from error
        raise
    return SuiteResult(analysis=analysis, folder=folder if kept else None, errors=dict(errors))
