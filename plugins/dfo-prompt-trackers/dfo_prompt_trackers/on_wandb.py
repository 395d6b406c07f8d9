"""Weights & Biases in offline mode: nothing leaves the machine until the user calls `wandb sync`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from shutil import copy2
from typing import Any

import wandb

from dfo_prompt_trackers.location import Location
from dfo_prompt_trackers.notes import read_notes, write_notes
from dfo_prompt_trackers.tracker import Run, Tracker

NAME = "wandb"


class WandbTracker(Tracker):
    """Writes offline runs.

    Args:
        folder: parent of the folder "wandb", which holds the runs; by default the folder of the suite or study.
        project: project that the runs are uploaded to.
    """

    def __init__(self, *, folder: Path | None = None, project: str = "dfo-prompt") -> None:
        super().__init__()
        self._parent, self._project = folder, project

    def open(self, location: Location, parameters: Mapping[str, str]) -> Run:
        """Return the run of a study; a continued study extends its run."""
        return self._opened(location, job_type="study", parameters=parameters)

    def open_suite(self, location: Location) -> Run:
        """Return the run of a suite, which contains the page of its report."""
        return self._opened(location, job_type="suite", parameters={})

    def _opened(self, location: Location, *, job_type: str, parameters: Mapping[str, str]) -> Run:
        parent = self._parent or location.home
        parent.mkdir(parents=True, exist_ok=True)
        notes = read_notes(location.folder, NAME)
        run = wandb.init(
            project=self._project,
            dir=str(parent),
            id=str(notes.get("run") or token_hex(4)),
            name=location.name,
            group=location.suite_name or None,
            job_type=job_type,
            config=dict(parameters),
            reinit="create_new",  # leave other runs of this process alone
            settings=wandb.Settings(mode="offline", silent=True, console="off", disable_git=True, save_code=False),
        )
        return OfflineRun(run, location.folder, dict(notes.get("steps") or {}))


class OfflineRun(Run):
    """An offline run; its last steps are stored in the notes, because its own file cannot be read back."""

    def __init__(self, run: Any, folder: Path | None, steps: dict[str, int]) -> None:
        self._run, self._folder, self._steps = run, folder, steps
        self._note()

    def steps(self) -> Mapping[str, int]:
        """Return the last step of each figure."""
        return dict(self._steps)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        self._run.log(dict(figures), step=step)
        self._steps.update(dict.fromkeys(figures, step))
        self._note()

    def store(self, files: Sequence[Path]) -> None:
        """Copy files into the run."""
        for file in files:
            copy2(file, self._run.dir)
            self._run.save(str(Path(self._run.dir) / file.name), base_path=self._run.dir, policy="end")

    def end(self, *, error: str = "") -> None:
        """Close the run."""
        if error:
            self._run.summary["error"] = error
        self._run.finish(exit_code=int(bool(error)))

    def _note(self) -> None:
        write_notes(self._folder, NAME, {"run": self._run.id, "steps": self._steps})
