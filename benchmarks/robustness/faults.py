"""Lets writes of studies fail, continues them without faults, and compares the results with uninterrupted runs.

python benchmarks/robustness/faults.py --faults 200

Each study runs in a forked process in which files that are opened for writing run out of space (ENOSPC, after a part was
written), fail (EIO), or take only a part (a short write, which is no error) at a random byte of all that is written; or in
which a rename or fsync fails.
"""

import argparse
import errno
import io
import os
import sys
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any

import numpy as np
from broken import FAILED, OPTIMIZERS, differences, ended, fork, run_here, study_of, workshop

BYTES, CALLS = 16_000, 12
"""The approximate numbers of bytes that a study writes, and of its renames and syncs."""
KINDS = ("ENOSPC", "EIO", "short write", "rename", "fsync")


class Disk:
    """Counts what is written; fails once, at byte or call `place`.

    Args:
        kind: of `KINDS`.
        place: the byte, or for rename and fsync the call, from 1.
    """

    def __init__(self, kind: str, place: int) -> None:
        self.kind, self.left = kind, place
        self.broken = False

    def install(self) -> None:
        """Replace the functions of this process that open, write, rename and sync."""
        if self.kind in ("rename", "fsync"):
            for name in ("replace", "rename") if self.kind == "rename" else ("fsync", "fdatasync"):
                setattr(os, name, self._failing(getattr(os, name)))
            return
        disk, write, raw = self, os.write, io.FileIO

        class Raw(raw):  # type: ignore[valid-type, misc]
            def write(self, data: Any) -> int:
                return disk.write(memoryview(data).cast("B"), super().write)

        def opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if not any(letter in mode for letter in "wax+"):
                return plain(file, mode, *arguments, **options)
            buffered = io.BufferedRandom if "+" in mode else io.BufferedWriter
            stream = buffered(Raw(file, mode.replace("b", "").replace("t", "")))
            if "b" in mode:
                return stream
            text = {key: value for key, value in options.items() if key in ("encoding", "errors", "newline")}
            return io.TextIOWrapper(stream, **text)

        plain, io.open = io.open, opened
        os.write = lambda number, data: disk.write(memoryview(data).cast("B"), lambda part: write(number, part))

    def write(self, data: memoryview, write: Callable[[memoryview], int]) -> int:
        """Write all of `data`, or fail at the chosen byte."""
        full = self.broken and self.kind == "ENOSPC"  # it stays full
        if not full and (self.broken or len(data) < self.left):
            self.left -= len(data)
            return write(data)
        part = 0 if full or self.kind == "EIO" else self.left - 1
        self.broken = True
        if part:
            write(data[:part])
        if self.kind == "short write":
            return part or write(data)
        number = getattr(errno, self.kind)
        raise OSError(number, os.strerror(number))

    def _failing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return call(*arguments, **options)

        return called


def main() -> None:
    """Let writes fail, compare and print the counts; exit with 1 on any difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng, counts, found, began = np.random.default_rng(asked.seed), Counter[str](), list[str](), monotonic()
    with workshop() as folder:
        configs = {name: study_of(folder, name) for name in OPTIMIZERS}
        for name in OPTIMIZERS:
            run_here(configs[name], folder / f"whole-{name}")
        for number in range(asked.faults):
            name, kind = str(rng.choice(OPTIMIZERS)), KINDS[number % len(KINDS)]
            place, broken = (
                int(rng.integers(1, CALLS if kind in ("rename", "fsync") else BYTES)),
                folder / f"broken-{number}",
            )
            disk = Disk(kind, place)
            status = ended(fork(lambda: (disk.install(), run_here(configs[name], broken))))  # noqa: B023
            counts[f"{kind}: {({0: 'went on', FAILED: 'one error'}).get(status, f'status {status}')}"] += 1
            if status not in (0, FAILED):
                found.append(f"{broken.name} ({name}, {kind} at {place}): status {status}")
            if status := ended(fork(lambda: run_here(configs[name], broken))):  # noqa: B023
                found.append(f"{broken.name} ({name}, {kind} at {place}) does not go on: status {status}")
            else:
                found += [
                    f"{broken.name} ({name}, {kind}): {difference}"
                    for difference in differences(broken, folder / f"whole-{name}")
                ]
    for name, count in sorted(counts.items()):
        print(f"{count:6,}  {name}")  # noqa: T201
    print(f"{len(found):6,}  differences from unbroken runs, in {monotonic() - began:.0f} seconds")  # noqa: T201
    sys.exit("\n".join(found[:20]) if found else 0)


if __name__ == "__main__":
    main()
