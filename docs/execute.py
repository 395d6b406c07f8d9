"""Executes the notebooks in docs/examples in place: python docs/execute.py [NAME.ipynb ...]. What they write is lost."""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

EXAMPLES = Path(__file__).parent / "examples"
SECONDS = 600
"""Of a cell."""


def executed(notebook: Path) -> NotebookNode:
    """Return the notebook with the outputs of a fresh run, without what changes from run to run.

    Raises:
        CellExecutionError: a cell fails.
    """
    node = nbformat.read(notebook, as_version=4)
    with TemporaryDirectory() as place:
        for file in EXAMPLES.glob("*.csv"):
            shutil.copy(file, place)
        NotebookClient(
            node,
            timeout=SECONDS,
            record_timing=False,
            coalesce_streams=True,  # a kernel sends what a cell prints in pieces, at times of its own
            resources={"metadata": {"path": place}},
        ).execute()
    for cell in node.cells:
        cell.metadata = NotebookNode()
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not is_noise(output)]
    node.metadata = NotebookNode(kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"})
    return node


def is_noise(output: NotebookNode) -> bool:
    """Tell whether an output is a line of progress (text alone, displayed and replaced) or a warning of a library."""
    if output.output_type == "stream":
        return bool(output.name == "stderr")
    return bool(output.output_type == "display_data" and [*output.data] == ["text/plain"])


if __name__ == "__main__":
    for path in [EXAMPLES / name for name in sys.argv[1:]] or sorted(EXAMPLES.glob("*.ipynb")):
        nbformat.write(executed(path), path)
