"""The location of a study or suite: its folder, the name of its run, and the suite that it belongs to."""

import json
from dataclasses import dataclass
from pathlib import Path

from filelock import BaseFileLock, FileLock

import dfo_prompt as dp

LOCK = ".tracking.lock"
PLAN = "suite.json"
"""The file that marks the folder of a suite."""


@dataclass(frozen=True, kw_only=True)
class Location:
    """The location of a study or a suite.

    Attributes:
        name: name of the run; for a study of a suite, its path in the suite.
        folder: folder of the study or suite; None for a study in memory.
        suite: folder of the suite, if any.
        suite_name: name of the suite.
    """

    name: str
    folder: Path | None = None
    suite: Path | None = None
    suite_name: str = ""

    @classmethod
    def of(cls, info: dp.StudyInfo) -> "Location":
        """Return the location of a study."""
        if info.folder is None:
            return cls(name=f"{info.objective}-{info.optimizer}-s{info.seed}")
        parents = info.folder.parents
        suite = next((parent for parent in parents if (parent / PLAN).is_file() and parent / "studies" in parents), None)
        if suite is None:
            return cls(name=info.folder.name, folder=info.folder)
        name = info.folder.relative_to(suite / "studies").as_posix()
        return cls(name=name, folder=info.folder, suite=suite, suite_name=_name(suite))

    @classmethod
    def of_suite(cls, folder: Path) -> "Location":
        """Return the location of a suite itself."""
        name = _name(folder)
        return cls(name=name, folder=folder, suite=folder, suite_name=name)

    @property
    def home(self) -> Path:
        """Return the folder of the suite, or else of the study."""
        return self.suite or self.folder or Path.cwd()

    def lock(self) -> BaseFileLock:
        """Return the lock that keeps concurrent studies of a suite from creating its run twice."""
        return FileLock(self.home / LOCK)


def _name(suite: Path) -> str:
    """Return the name of the suite in a folder."""
    return str(json.loads((suite / PLAN).read_text(encoding="utf-8"))["settings"]["name"])
