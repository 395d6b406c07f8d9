"""Real `dfo-prompt serve` processes."""

import os
import re
import subprocess
import sys
from pathlib import Path

TOKEN = "tests-0123456789abcdef"
ADDRESS = re.compile(r"at (http://\S+:(\d+))$")


class Server:
    """A server process in the folder `place`; may be killed and started again at the same address."""

    def __init__(self, place: Path, *flags: str, plugin: Path | None = None) -> None:
        self._place, self._flags, self._port, self.url = place, flags, 0, ""
        self._before = ["--plugin", str(plugin)] if plugin else []
        self.process: subprocess.Popen | None = None

    def start(self) -> "Server":
        command = [sys.executable, "-m", "dfo_prompt", *self._before, "serve", *self._flags, "--port", str(self._port)]
        log = (self._place / "server.log").open("a")
        self.process = subprocess.Popen(command, cwd=self._place, stdout=subprocess.PIPE, stderr=log, text=True)
        log.close()
        line = self.process.stdout.readline()  # said before the first request; empty if it has ended
        found = ADDRESS.search(line.strip())
        assert found, (line, (self._place / "server.log").read_text())
        self.url, self._port = found[1], int(found[2])
        return self

    def kill(self) -> None:
        self.process.kill()
        self._ended()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self._ended()

    def _ended(self) -> int:
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        return status


def blocked(folder: Path, *modules: str) -> dict[str, str]:
    """An environment in which importing `modules` fails."""
    lines = [f"if name.partition('.')[0] in {modules!r}: raise ImportError('blocked ' + name)"]
    body = "\n".join(
        ["import sys", "class Block:", "    def find_spec(self, name, path=None, target=None):", f"        {lines[0]}"]
    )
    (folder / "sitecustomize.py").write_text(f"{body}\nsys.meta_path.insert(0, Block())\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}
