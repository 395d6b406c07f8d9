"""Candidates that stand for one text: their outcome, which a study pays for once and knows again after it was continued."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from dfo_prompt.contracts.objective import Objective, Textual
from dfo_prompt.errors import PluginError, one_line
from dfo_prompt.study.candidates import candidate_hash
from dfo_prompt.study.records import Outcome, Scored
from dfo_prompt.types import Matrix


@dataclass(frozen=True, kw_only=True)
class Alike:
    """The outcomes of a study's evaluations by split and text.

    The journal gives them back: nothing else is stored. Those of evaluations that raised are forgotten, and tried again.

    Attributes:
        objective: whose candidates stand for texts; of any other each candidate stands for itself, and nothing is kept.
    """

    objective: Objective
    _known: dict[tuple[str, str], Scored] = field(default_factory=dict, init=False)

    def keys(self, batch: Matrix) -> list[str]:
        """Return what each candidate (B, d) stands for: its text, or itself.

        Raises:
            PluginError: the objective cannot say.
        """
        if not isinstance(self.objective, Textual):
            return [candidate_hash(z) for z in batch]
        try:
            return [str(self.objective.text(z.copy())) for z in batch]
        except Exception as error:
            raise PluginError(f"the objective cannot tell the text of a candidate: {one_line(error)}") from error

    def find(self, key: str, split: str) -> Scored | None:
        """Return the outcome of an earlier evaluation on a split for what a key stands for."""
        return self._known.get((split, key))

    def note(self, keys: Sequence[str], outcome: Outcome) -> None:
        """Keep the outcome of evaluations, journaled now or by an earlier run."""
        if not isinstance(self.objective, Textual):
            return
        for i, (key, record) in enumerate(zip(keys, outcome.records, strict=True)):
            if not record.status.startswith("error") and record.role != "baseline":
                outputs = None if outcome.outputs is None else outcome.outputs[i]
                self._known.setdefault((record.split, key), Scored(record=record, outputs=outputs))
