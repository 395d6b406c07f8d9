"""Reads studies and suites, compares them and writes the report."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.plugin.hookspecs import hookimpl

SECTIONS = {
    "leaderboard": ("tables:leaderboard", "All entries, the best first"),
    "methods": ("methods:method_tables", "What methods of several kinds reach, and what they take"),
    "problems": ("tables:per_problem", "Median and quartiles by problem"),
    "pairs": ("contrasts:comparisons", "Each two entries: differences, tests, and whether they matter"),
    "sigma": ("tables:sensitivity", "Scores by step size, where a suite has several"),
    "failures": ("tables:failures", "Studies without a result, and failed queries"),
}


@hookimpl
def dfo_prompt_sections() -> Iterable[Spec]:
    """Give the tables of a report, in their order."""
    for name, (target, summary) in SECTIONS.items():
        yield Spec(name=name, target=f"dfo_prompt.report.{target}", summary=f"{summary}.")
