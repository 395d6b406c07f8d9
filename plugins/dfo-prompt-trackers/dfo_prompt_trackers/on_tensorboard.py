"""TensorBoard: a folder of event files for each study."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from dfo_prompt_trackers.location import Location
from dfo_prompt_trackers.notes import read_notes, write_notes
from dfo_prompt_trackers.tracker import FINAL, Run, Tracker

NAME = "tensorboard"
MAX_CHARACTERS = 100_000
"""The largest number of characters of a file that is shown."""
LANGUAGES = {".json": "json"}
"""The Markdown language of files that are shown as text, by suffix."""


class TensorBoardTracker(Tracker):
    """Writes event files.

    Args:
        folder: TensorBoard's --logdir; studies may share it. By default "tensorboard" in the folder of the suite or study.
    """

    def __init__(self, *, folder: Path | None = None) -> None:
        super().__init__()
        self._logs = folder

    def open(self, location: Location, parameters: Mapping[str, str]) -> Run:
        """Return the run of a study, a folder of event files."""
        return EventFiles(self._place(location, location.name), parameters)

    def open_suite(self, location: Location) -> Run:
        """Return the run of a suite, which contains the path of its report."""
        return EventFiles(self._place(location, "suite"), {})

    def _place(self, location: Location, name: str) -> Path:
        """Return the folder of a run: the noted one, or else a new one, which is noted where others may have the name."""
        if self._logs is None and location.folder:
            return location.home / NAME / name
        logs = (self._logs or location.home / NAME).absolute()
        folder = (location.folder or logs).absolute()
        stored = read_notes(location.folder, NAME).get("run")
        if isinstance(stored, str) and (noted := Path(os.path.normpath(folder / stored))).is_relative_to(logs):
            return noted
        place = _claimed(logs / name)
        write_notes(location.folder, NAME, {"run": Path(os.path.relpath(place, folder)).as_posix()})
        return place


class EventFiles(Run):
    """The event files in a folder."""

    def __init__(self, folder: Path, parameters: Mapping[str, str]) -> None:
        self._parameters = parameters
        self._steps = _steps(folder)
        self._final: dict[str, float] = {}
        self._folder = folder

    @cached_property
    def _writer(self) -> SummaryWriter:
        return SummaryWriter(str(self._folder))  # created only when there is something to write

    def steps(self) -> Mapping[str, int]:
        """Return the last step of each curve."""
        return self._steps

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        for key, value in figures.items():
            self._writer.add_scalar(key, value, step)
        self._final |= {key: value for key, value in figures.items() if key.startswith(FINAL)}
        self._writer.flush()

    def store(self, files: Sequence[Path]) -> None:
        """Show files in `LANGUAGES` as text, and the paths of others."""
        for file in files if self._final or not self._steps else ():  # the files of an unchanged study are already stored
            language = LANGUAGES.get(file.suffix)
            text = file.read_text(encoding="utf-8", errors="replace")[:MAX_CHARACTERS] if language else str(file)
            self._writer.add_text(file.stem, f"```{language}\n{text}\n```" if language else text)

    def end(self, *, error: str = "") -> None:
        """Write parameters and final figures, if there are any, and close the files."""
        if error:
            self._writer.add_text("error", error)
        if self._final:
            figures = {f"hparam/{key}": value for key, value in self._final.items()}
            self._writer.add_hparams(dict(self._parameters), figures, run_name=".")
        if "_writer" in vars(self):
            self._writer.close()


def _claimed(place: Path) -> Path:
    """Create and return the folder `place`, or with the first number that makes its name a new one."""
    number, free = 1, place
    while True:
        try:
            free.mkdir(parents=True)
        except FileExistsError:
            number += 1
            free = place.with_name(f"{place.name}-{number}")
        else:
            return free


def _steps(folder: Path) -> dict[str, int]:
    if not folder.is_dir():
        return {}
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}, purge_orphaned_data=False)
    events.Reload()
    curves = {key: events.Scalars(key) for key in events.Tags()["scalars"]}
    # Event files of the same second may be read in another order than they were written.
    return {key: max(point.step for point in points) for key, points in curves.items() if points}
