"""Real `dfo-prompt` processes for the benchmarks beside this file."""

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

COUNTERS = ("prompt_tokens_total", "prompt_tokens_cached_total", "tokens_predicted_total")
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


def counted(url: str) -> int:
    """Return the tokens that a llama.cpp server has counted, of prompts and of answers."""
    with urllib.request.urlopen(f"{url}/metrics") as answer:  # noqa: S310
        text = answer.read().decode()
    found = (re.search(rf"^llamacpp:{name} (\S+)", text, re.MULTILINE) for name in COUNTERS)
    return sum(int(float(match[1])) for match in found if match)


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout  # noqa: S101
    for line in process.stdout:
        if found := ADDRESS.search(line.strip()):
            return found[1]
    raise SystemExit(f"the server ended with status {process.wait()}")
