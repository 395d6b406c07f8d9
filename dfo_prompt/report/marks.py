"""Marks entries that need gradients in tables and pictures."""

from dataclasses import dataclass

from dfo_prompt.contracts.method import MethodSpec
from dfo_prompt.errors import DfoPromptError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.report.analysis import Analysis

DAGGER = "\N{DAGGER}"


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The entries of a suite that need gradients.

    Attributes:
        names: the names of these entries.
    """

    names: frozenset[str]

    def marked(self, name: str) -> str:
        """Return an entry's name, with a dagger if it needs gradients."""
        return name + self.dagger(name)

    def dagger(self, name: str) -> str:
        """Return a dagger for an entry that needs gradients, "" for others."""
        return DAGGER * (name in self.names)

    @property
    def note(self) -> str:
        """Return the explanation of the dagger to append to a text; "" where no entry has one."""
        return f" {DAGGER} needs gradients: a white-box reference." if self.names else ""


def marks_of(analysis: Analysis) -> Marks:
    """Return the marks of a suite's entries."""
    entries = analysis.studies[["optimizer", "method"]].drop_duplicates().itertuples(index=False)
    return Marks(
        names=frozenset(str(name) for name, method in entries if (spec := spec_of(method)) and spec.needs_gradients)
    )


def spec_of(method: str) -> MethodSpec | None:
    """Return a method's spec, or None where its plugin is not installed here."""
    try:
        return catalogue().methods.find(method)
    except DfoPromptError:
        return None
