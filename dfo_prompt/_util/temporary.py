"""Opens the folder that a caller named, or a temporary folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def folder_or_temporary(out: Path | None) -> Iterator[Path]:
    """Yield the folder `out`, which need not exist; without one, yield a folder that is removed at the end."""
    if out is not None:
        yield out.absolute()  # stays valid if the working directory changes
        return
    with TemporaryDirectory(prefix="dfo-prompt-") as folder:
        yield Path(folder)
