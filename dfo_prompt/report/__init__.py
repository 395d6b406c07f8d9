"""Reads studies and suites, compares them and writes the report."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.plugin.hookspecs import hookimpl

SECTIONS = {
    "leaderboard": ("tables:leaderboard", "All entries, the best first"),
    "methods": ("methods:method_tables", "Test metrics and costs of all methods"),
    "problems": ("tables:per_problem", "Median and quartiles by problem"),
    "pairs": ("contrasts:comparisons", "Pairs of entries: differences, tests and practical relevance"),
    "sigma": ("steps:sensitivity", "Scores by initial step size, for suites that vary it"),
    "failures": ("tables:failures", "Studies without a result, and failed queries"),
}


@hookimpl
def dfo_prompt_sections() -> Iterable[Spec]:
    """Register the tables of a report, in order."""
    for name, (target, summary) in SECTIONS.items():
        yield Spec(name=name, target=f"dfo_prompt.report.{target}", summary=f"{summary}.")
