"""The output file of a journal: rows of little-endian float64, M columns; row i belongs to line i of the journal.

A row is written before its line, which holds the row's hash; the row of a failed query is NaN. If a power cut left fewer
rows than lines, the lines without rows are dropped and their queries run again.
"""

from collections.abc import Sequence
from pathlib import Path

from dfo_prompt.errors import StudyError
from dfo_prompt.study.candidates import Candidates, candidate_hash, read_rows
from dfo_prompt.study.journal import Line


class Outputs(Candidates):
    """The outputs in `path`; without a path nothing is stored."""

    def whole(self, lines: Sequence[Line], size: int) -> int:
        """Return how many of a journal's first lines have their outputs, a row of `size` values each.

        Raises:
            StudyError: a row is missing or damaged before an intact one.
        """
        if self.file is None or not lines:
            return 0
        rows = read_rows(self.file.path, size)
        good = [i for i, line in enumerate(lines[: len(rows)]) if _hash(line) in ("", candidate_hash(rows[i]))]
        count = next((i for i, row in enumerate(good) if i != row), len(good))
        if count < len(good) or not good:
            raise damaged(self.file.path, count + 1)
        return count


def damaged(path: Path, query: int) -> StudyError:
    """Return the error for missing outputs, which only another query could restore."""
    fault = f"{path} is damaged: it lacks the outputs of query {query}"
    return StudyError(f"{fault}; put it back, or start a new study from this one's answer: --start-from and another --out")


def _hash(line: Line) -> str:
    return str(line.get("outputs", ""))
