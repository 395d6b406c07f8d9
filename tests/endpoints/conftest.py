import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

SERVER = Path(__file__).parent.parent / "model_server.py"


class ModelServer:
    """A server process with a tiny model; may be killed and started again at the same address."""

    def __init__(self, model: Path, place: Path) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self._model, self._log, self._faults, self._port = model, place / "log.txt", place / "faults.json", 0
        self.process: subprocess.Popen | None = None
        self._log.touch()

    def start(self) -> "ModelServer":
        command = [sys.executable, str(SERVER), str(self._model), str(self._port), str(self._log), str(self._faults)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._port = int(self.process.stdout.readline())
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def misbehave(self, *faults) -> None:
        self._faults.write_text(json.dumps(faults))

    def lines(self, kind: str) -> list[str]:
        return [line for line in self._log.read_text().splitlines() if line.startswith(kind)]

    @property
    def tokens(self) -> int:
        """What it has billed: the tokens of each row that it answered, and one for the answer."""
        return sum(int(line.split()[1]) + 1 for line in self.lines("row"))

    def forget(self) -> None:
        self._log.write_text("")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(timeout=60)
        self.process.stdout.close()


@pytest.fixture(scope="session")
def shared_server(tiny_folder, tmp_path_factory):
    """One for all tests that need no faults."""
    server = ModelServer(tiny_folder, tmp_path_factory.mktemp("server")).start()
    yield server
    server.stop()


@pytest.fixture
def model_server(shared_server):
    shared_server.forget()
    return shared_server


@pytest.fixture
def own_server(tiny_folder, tmp_path):
    """One for a test of faults."""
    with ExitStack() as stack:
        server = ModelServer(tiny_folder, tmp_path / "server").start()
        stack.callback(server.stop)
        yield server


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DFO_PROMPT_CACHE", str(tmp_path / "cache"))
