"""The notebooks run, and their committed outputs come from such a run."""

import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
DOCS = Path(__file__).parents[2] / "docs"
NOTEBOOKS = sorted((DOCS / "examples").glob("*.ipynb"))
REAL = {"tune-a-prompt", "text-only-service"}
LARGEST = 200_000
"""Bytes of a notebook with its outputs."""


@pytest.fixture(scope="module")
def execute():
    sys.path.insert(0, str(DOCS))
    try:
        import execute
    finally:
        sys.path.remove(str(DOCS))
    return execute


def outputs(node):
    """Return the kinds of output of each cell, whatever they hold: figures depend on the machine."""
    return [[(one.output_type, sorted(one.get("data", ()))) for one in cell.get("outputs", ())] for cell in node.cells]


@pytest.mark.parametrize(
    "notebook", [pytest.param(one, marks=[pytest.mark.real] * (one.stem in REAL), id=one.stem) for one in NOTEBOOKS]
)
def test_a_notebook_runs_and_shows_what_it_showed(notebook, execute):
    if notebook.stem == "text-only-service":
        pytest.importorskip("xllamacpp")
    committed = execute.nbformat.read(notebook, as_version=4)
    assert outputs(execute.executed(notebook)) == outputs(committed)


def test_what_a_cell_prints_in_pieces_is_one_output(execute, tmp_path):
    cell = execute.nbformat.v4.new_code_cell(
        "import sys\nfor piece in 'ab':\n    print(piece, flush=True)\n    print('warning', file=sys.stderr, flush=True)"
    )
    execute.nbformat.write(execute.nbformat.v4.new_notebook(cells=[cell]), tmp_path / "pieces.ipynb")
    (output,) = execute.executed(tmp_path / "pieces.ipynb").cells[0].outputs
    assert output.text == "a\nb\n"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_with_outputs_of_one_run(notebook, execute):
    node = execute.nbformat.read(notebook, as_version=4)
    code = [cell for cell in node.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
    assert any("text/html" in output.get("data", ()) for cell in code for output in cell.outputs)
    shown = str([cell.outputs for cell in code])
    assert [
        output for cell in code for output in cell.outputs if output.output_type == "error" or execute.is_noise(output)
    ] == []
    assert "queries/s" not in shown
    assert notebook.stat().st_size < LARGEST


def test_every_notebook_is_on_the_page():
    page = (DOCS / "pages" / "examples.md").read_text()
    assert NOTEBOOKS
    assert [one.stem for one in NOTEBOOKS if f"examples/{one.name}" not in page] == []


def test_the_python_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", (DOCS / "pages" / "examples.md").read_text(), flags=re.S):
        exec(block, space)
    assert "On this problem (3 seeds), cma" in capsys.readouterr().out
    assert space["ledger"].queries == 200  # type: ignore[attr-defined]
    assert abs(space["answer"] - 1).max() < 0.2  # type: ignore[operator]
