"""The suite of a folder, checked before a report relies on it."""

from pathlib import Path

from dfo_prompt.errors import InputError
from dfo_prompt.report.damage import reading
from dfo_prompt.suite.folder import PLAN, read_suite_folder
from dfo_prompt.suite.plan import Suite

MOST_CURVE_POINTS = 10**9
"""Studies times queries: a table of 8 GB."""


def read_checked_suite(folder: Path) -> Suite:
    """Return the suite in `folder`.

    Raises:
        InputError: there is none, it is damaged, or it is too large to be compared.
    """
    with reading(folder / PLAN):
        suite = read_suite_folder(folder)
    if not suite.plans:
        raise InputError(f"{folder / PLAN} is damaged: it has no studies")
    points = len(suite.plans) * max(plan.config.budget for plan in suite.plans)
    if points > MOST_CURVE_POINTS:
        raise InputError(f"{folder / PLAN}: {points:.3g} queries are too many for one report; split the suite")
    return suite
