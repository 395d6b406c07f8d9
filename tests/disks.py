"""Fake disks that fail, in place of `os` in `dfo_prompt._util.durable`."""

import os
import stat
from pathlib import Path


class Killed(BaseException):
    """The process ends here."""


class Disk:
    """Passes calls on to the system; the process ends in the `step`th of those that change something.

    A write then leaves the first `share` of its bytes.
    """

    def __init__(self, step: int = 0, share: float = 0.0) -> None:
        self.steps, self._step, self._share = 0, step, share

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, file, data):
        if self._ends():
            os.write(file, bytes(data)[: int(self._share * len(data))])
            raise Killed
        return os.write(file, data)

    def ftruncate(self, file, size):
        self._end()
        os.ftruncate(file, size)

    def replace(self, source, target):
        self._end()
        os.replace(source, target)

    def fsync(self, file):
        self._end()  # and nothing else: it takes long, and a kill does not ask for it

    def _ends(self):
        self.steps += 1
        return self.steps == self._step

    def _end(self):
        if self._ends():
            raise Killed


class Powerless(Disk):
    """Knows what was flushed: names of folders, bytes of files."""

    def __init__(self, step: int = 0) -> None:
        super().__init__(step)
        self._names: dict[str, dict[str, int]] = {}
        self._bytes: dict[int, bytes] = {}

    def fsync(self, file):
        super().fsync(file)
        status, path = os.fstat(file), os.readlink(f"/proc/self/fd/{file}")
        if stat.S_ISDIR(status.st_mode):
            self._names[path] = {entry.name: entry.stat().st_ino for entry in Path(path).iterdir() if entry.is_file()}
        else:
            self._bytes[status.st_ino] = Path(path).read_bytes()

    def cut(self, folder: Path, *, zeros: bool) -> None:
        """Leave what was flushed of the files in `folder`; with `zeros`, the rest of each file reads as NUL bytes."""
        sizes = {entry.stat().st_ino: entry.stat().st_size for entry in folder.iterdir() if entry.is_file()}
        for entry in list(folder.iterdir()):
            entry.unlink()
        for name, inode in self._names.get(str(folder), {}).items():
            kept = self._bytes.get(inode, b"")
            size = sizes.get(inode, len(kept)) if zeros else len(kept)
            (folder / name).write_bytes(kept.ljust(size, b"\0"))
