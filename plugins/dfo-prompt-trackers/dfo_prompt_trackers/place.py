"""Locates a study: its folder, the name of its run and its suite."""

from dataclasses import dataclass
from pathlib import Path

from filelock import BaseFileLock, FileLock

from dfo_prompt.study.result import StudyInfo
from dfo_prompt.suite.folder import is_suite, read_suite_folder

LOCK = ".tracking.lock"


@dataclass(frozen=True, kw_only=True)
class Place:
    """The place of a study or a suite.

    Attributes:
        name: the name of the run; for a suite's study, its path in the suite.
        folder: the folder of the study or suite; None for a study in memory.
        suite: the folder of the suite, if any.
        suite_name: the name of the suite.
    """

    name: str
    folder: Path | None = None
    suite: Path | None = None
    suite_name: str = ""

    @classmethod
    def of(cls, info: StudyInfo) -> "Place":
        """Return the place of a study."""
        if info.folder is None:
            return cls(name=f"{info.objective}-{info.optimizer}-s{info.seed}")
        suite = next((parent for parent in info.folder.parents if is_suite(parent)), None)
        if suite is None:
            return cls(name=info.folder.name, folder=info.folder)
        name = info.folder.relative_to(suite / "studies").as_posix()
        return cls(name=name, folder=info.folder, suite=suite, suite_name=read_suite_folder(suite).settings.name)

    @classmethod
    def of_suite(cls, folder: Path) -> "Place":
        """Return the place of a suite itself."""
        name = read_suite_folder(folder).settings.name
        return cls(name=name, folder=folder, suite=folder, suite_name=name)

    @property
    def home(self) -> Path:
        """Return the folder of the suite, or else of the study."""
        return self.suite or self.folder or Path.cwd()

    def lock(self) -> BaseFileLock:
        """Return the lock that keeps concurrent studies of a suite from creating its run twice."""
        return FileLock(self.home / LOCK)
