"""Notifies the trackers of a suite that it has finished, with the page of its report."""

import warnings
from pathlib import Path

from dfo_prompt.errors import DfoPromptError, one_line
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.run.observers import create_observer
from dfo_prompt.suite.plan import Suite


def track_suite(suite: Suite, folder: Path) -> None:
    """Write the report of a suite with trackers, and pass its page to each tracker.

    A tracker that fails causes a warning. There is no page without the extra `report` or a finished study.
    """
    trackers = {name: options for plan in suite.plans for name, options in plan.config.trackers.items()}
    if not trackers:
        return
    page = _page(folder)
    for name in (spec.name for spec in catalogue().observers if spec.name in trackers):
        try:
            observer = create_observer(name, **trackers[name])
            if finished := getattr(observer, "suite_finished", None):
                finished(folder.absolute(), page)
        except Exception as error:
            message = f"tracker {name!r} was not notified that the suite finished: {one_line(error)}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)


def _page(folder: Path) -> Path | None:
    try:
        from dfo_prompt.report.write import write_report  # noqa: PLC0415 - brings pandas and a plotting library
    except ImportError:
        return None
    try:
        return write_report(folder).absolute()
    except DfoPromptError:
        return None
