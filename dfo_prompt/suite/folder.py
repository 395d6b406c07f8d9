"""A suite folder: the plan, the folders of its studies, and their errors."""

from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

from dfo_prompt._util.durable import replacing, writing
from dfo_prompt._util.json_files import read_json, write_json
from dfo_prompt._util.locks import locked_folder
from dfo_prompt._util.parsing import parse
from dfo_prompt._util.reading import read_bytes
from dfo_prompt.config.paths import absolute, portable
from dfo_prompt.errors import InputError
from dfo_prompt.run.raised_budget import check_begun, smaller_budget
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.ledger import LOCK
from dfo_prompt.study.saved import read_result
from dfo_prompt.suite.config import SuiteSettings
from dfo_prompt.suite.plan import Plan, Suite

PLAN, ERRORS = "suite.json", "errors.json"
BESIDE = "beside.json.gz"
"""Packed studies that the report compares with those of the folder."""
WRITE_SECONDS = 1.0
"""The shortest time between two writes of the error file."""


def study_path(folder: Path, study: str) -> Path:
    """Return the folder of the study with this id."""
    return folder / "studies" / study


def is_suite(folder: Path) -> bool:
    """Tell whether `folder` is a suite folder."""
    return (folder / PLAN).is_file()


class Errors:
    """The errors of studies without a result, by id, and their file, which is written at most once a second.

    A kill may lose the latest errors, but the next run notices that those studies have no result.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._errors = folder, read_errors(folder)
        self._written, self._changed = monotonic(), not (folder / ERRORS).exists()

    def note(self, study: str, error: str) -> None:
        """Set the error of a study; "" removes the error of an earlier run."""
        if error == self._errors.get(study, ""):
            return
        self._errors.pop(study, None)
        if error:
            self._errors[study] = error
        self._changed = True
        self.write_if_due()

    def clear(self, studies: Iterable[str]) -> None:
        """Remove the errors of these studies, which have a result or run again, and write the file."""
        for study in studies:
            self.note(study, "")
        self.write()

    def write_if_due(self) -> None:
        """Write the file if anything changed and the last write is long enough ago.

        Raises:
            StudyError: the file cannot be written.
        """
        if monotonic() - self._written > WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Write the file, if anything changed.

        Raises:
            StudyError: the file cannot be written.
        """
        if self._changed:
            with writing(self._folder):
                write_json(self._folder / ERRORS, dict(sorted(self._errors.items())))
            self._written, self._changed = monotonic(), False

    def among(self, studies: Container[str]) -> dict[str, str]:
        """Return the errors of these studies."""
        return {study: error for study, error in self._errors.items() if study in studies}


@contextmanager
def suite_folder(folder: Path, suite: Suite) -> Iterator[Errors]:
    """Create or reopen the folder of a suite, lock it, and yield the errors of its studies.

    Optimizers, problems and seeds may be added or removed, and budgets may be raised; a change that would invalidate old
    results is refused.

    Raises:
        InputError: the folder holds something else, or studies with the same names but other settings; the message names the
            difference.
        StudyError: the folder cannot be written, or another process is running this suite.
    """
    with locked_folder(folder, LOCK, purpose="suite"):
        with writing(folder):
            _claim(folder, suite)
            errors = Errors(folder)
        try:
            yield errors
        finally:
            errors.write()


def _claim(folder: Path, suite: Suite) -> None:
    """Write the plan of a suite, unless the folder holds it already."""
    if (folder / PLAN).exists():
        check_same(folder, suite)
    elif any(not entry.name.startswith(".") and entry.suffix != ".part" for entry in folder.iterdir()):
        raise InputError(f"{folder} is not empty and not a suite folder; choose another with --out")
    plan = portable(suite.as_dict(), folder)
    if not (folder / PLAN).exists() or _stored(folder) != plan:
        write_json(folder / PLAN, plan)


def put_beside(folder: Path, packed: Path) -> None:
    """Copy a file of packed studies into a suite folder, for its report.

    Raises:
        InputError: the folder holds other packed studies, or the file cannot be read.
        StudyError: the folder cannot be written.
    """
    data, copy = read_bytes(packed), folder / BESIDE
    if not copy.exists():
        with writing(folder), replacing(copy) as file:
            file.write(data)
    elif read_bytes(copy) != data:
        raise InputError(f"{folder} has other packed studies beside it; choose another --out")


def read_suite_folder(folder: Path) -> Suite:
    """Return the suite that was written to `folder`.

    Raises:
        InputError: the plan is missing or damaged.
    """
    return parse(Suite, absolute(_stored(folder), folder), where=str(folder / PLAN))


def _stored(folder: Path) -> dict[str, Any]:
    return read_json(folder / PLAN, missing=f"{folder} is not a suite folder: it has no {PLAN}")


def read_errors(folder: Path) -> dict[str, str]:
    """Return the errors of studies without a result, by id."""
    if not (folder / ERRORS).exists():
        return {}
    return {study: str(error) for study, error in read_json(folder / ERRORS, missing="").items()}  # the file may be damaged


def is_finished(folder: Path, plan: Plan) -> bool:
    """Tell whether the study has a readable result for its budget; if not, running it produces one."""
    with suppress(InputError):
        return result_of(folder, plan) is not None
    return False


def result_of(folder: Path, plan: Plan) -> Mapping[str, Any] | None:
    """Return the figures of a finished study; None without a result, or with the result of a smaller budget.

    Raises:
        InputError: result or manifest are damaged.
    """
    place = study_path(folder, plan.id)
    result = read_result(place)
    if result is None:
        return None
    spent = result.get("spent")
    if isinstance(spent, Mapping) and spent.get("queries") == plan.config.budget:
        return result  # so that the manifests of finished studies are not read
    return result if smaller_budget(plan.config, read_manifest(place)) is None else None


def check_same(folder: Path, suite: Suite) -> None:
    """Refuse a folder that holds studies with the same names but other settings; a folder without a plan passes.

    Studies with a smaller budget pass: they continue.

    Raises:
        InputError: the settings differ; the message names the difference.
    """
    if not (folder / PLAN).exists():
        return
    settings = _stored(folder).get("settings")
    threads = parse(SuiteSettings, settings if isinstance(settings, dict) else {}, where=str(folder / PLAN)).threads
    if threads != suite.settings.threads:
        raise InputError(f"{folder} was run with threads {threads}, not {suite.settings.threads}; choose another --out")
    # Compare with the study folders, not with the last plan, which may have left out a study that ran before.
    for plan in suite.plans:
        check_begun(plan.config, study_path(folder, plan.id), searches=plan.queries > 0)
