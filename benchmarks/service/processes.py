"""Real `dfo-prompt` processes for the benchmarks beside this file."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ADDRESS = re.compile(r"at (http://\S+)$")


@contextmanager
def serving(*flags: str, folder: Path, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """Serve until the end of the block, in a folder for the store; yields the address."""
    command = [sys.executable, "-m", "dfo_prompt", "serve", *flags]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, env=env)  # noqa: S603
    try:
        yield _address(process)
    finally:
        process.terminate()
        process.wait()


def program(*arguments: str, folder: Path, env: Mapping[str, str] | None = None) -> str:
    """Run `dfo-prompt` in a folder and return its standard output."""
    command = [sys.executable, "-m", "dfo_prompt", *arguments]
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True, env=env).stdout  # noqa: S603


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout  # noqa: S101
    for line in process.stdout:
        if found := ADDRESS.search(line.strip()):
            return found[1]
    raise SystemExit(f"the server ended with status {process.wait()}")
