"""Finished suites for tests of status, continuation and reports."""

from pathlib import Path

from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.suite.run import run_suite


def finished_suite(place: Path, text: str) -> Path:
    """Run the suite file `text` in the folder `place`, and return the suite's folder."""
    (place / "suite.toml").write_text(text)
    run_suite(read_suite_file(place / "suite.toml"), place / "out")
    return place / "out"
