"""Tells the trackers of a suite that its studies have ended, and gives them the page of its report."""

import warnings
from pathlib import Path

from dfo_prompt.errors import DfoPromptError, one_line
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.run.observers import create_observer
from dfo_prompt.suite.plan import Suite


def track_suite(suite: Suite, folder: Path) -> None:
    """Write the report of a suite that was run with trackers, and hand its page to each of them.

    One that fails is named in a warning. Without the extra of reports, or a finished study, there is no page.
    """
    asked = {name: options for plan in suite.plans for name, options in plan.config.trackers.items()}
    if not asked:
        return
    page = _page(folder)
    for name in (spec.name for spec in catalogue().observers if spec.name in asked):
        try:
            observer = create_observer(name, **asked[name])
            if finished := getattr(observer, "suite_finished", None):
                finished(folder.absolute(), page)
        except Exception as error:
            said = f"tracker {name!r} was not told that the suite ended: {one_line(error)}"
            warnings.warn(said, RuntimeWarning, stacklevel=2)


def _page(folder: Path) -> Path | None:
    try:
        from dfo_prompt.report.write import write_report  # noqa: PLC0415 - brings pandas and a plotting library
    except ImportError:
        return None
    try:
        return write_report(folder).absolute()
    except DfoPromptError:
        return None
