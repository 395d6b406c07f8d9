"""Makes the helpers beside the tests importable in every import mode of pytest; provides a tiny model and task."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dfo_prompt.cli import main

# No deadlines: machines that run tests are busy. `--hypothesis-profile nightly` looks a hundred times longer.
settings.register_profile("usual", deadline=None)
settings.register_profile("nightly", max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("usual")
sys.path.insert(0, str(Path(__file__).parent))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Count tests of the real model and of the browser as slow."""
    for item in items:
        if any(item.get_closest_marker(name) for name in ("real", "browser")):
            item.add_marker(pytest.mark.slow)


TASK = """\
summary = "Tiny."
template = "{text} . it was {answer}"
[labels]
bad = "bad"
good = "good"
[data]
path = "films.csv"
columns = { text = "text", label = "label" }
"""


@pytest.fixture
def program(capsys, tmp_path, monkeypatch):
    """Calls `dfo-prompt` in an empty folder; returns exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            main(list(arguments))
            status = 0
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    """A tiny causal language model, saved as transformers saves one."""
    from dfo_prompt.testing.tiny import save_tiny_model

    folder = tmp_path_factory.mktemp("model")
    save_tiny_model(folder)
    return folder


@pytest.fixture
def tiny_task(tmp_path) -> Path:
    """A task file beside its data."""
    from dfo_prompt.testing.tiny import some_examples

    rows = [f"{example.texts[0]},{('bad', 'good')[example.label]}" for example in some_examples(60, longest=6)]
    (tmp_path / "films.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    file = tmp_path / "films.toml"
    file.write_text(TASK)
    return file
