"""Where a study lies: what its run is called, and the suite that it belongs to."""

from dataclasses import dataclass
from pathlib import Path

from filelock import BaseFileLock, FileLock

from dfo_prompt.study.result import StudyInfo
from dfo_prompt.suite.folder import is_suite, read_suite_folder

LOCK = ".tracking.lock"


@dataclass(frozen=True, kw_only=True)
class Place:
    """The place of a study, or of a suite.

    Attributes:
        name: of the run; below a suite, the path of the study there.
        folder: of the study, or of the suite; None for a study in memory.
        suite: folder of the suite, if it is one or belongs to one.
        suite_name: what its report is called.
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
        """Return the folder that all runs of the suite share, or that of the study."""
        return self.suite or self.folder or Path.cwd()

    def lock(self) -> BaseFileLock:
        """Return the lock for what studies of a suite must not do at the same time: two would make its run twice."""
        return FileLock(self.home / LOCK)
