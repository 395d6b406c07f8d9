"""The outcomes that a study has already paid for: of each candidate, or of each text of a `Textual` objective."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from dfo_prompt.contracts.objective import Objective, Textual
from dfo_prompt.errors import PluginError, one_line
from dfo_prompt.study.candidates import candidate_hash
from dfo_prompt.study.records import Outcome, Scored
from dfo_prompt.types import Matrix


@dataclass(frozen=True, kw_only=True)
class OutcomeCache:
    """Caches the outcomes of a study's evaluations by split and key.

    The key is the text of a `Textual` objective, on both accounts; otherwise it is the candidate itself, and only queries
    are cached, since an evaluation on the second account is a new measurement. The cache is rebuilt from the journal.
    Evaluations that raised are not cached, so that they run again.

    Attributes:
        objective: objective of the study.
    """

    objective: Objective
    _known: dict[tuple[str, str], Scored] = field(default_factory=dict, init=False)

    @property
    def scored(self) -> int:
        """Return how many different candidates or texts were scored by queries."""
        return sum(split == "train" for split, _ in self._known)

    def keys(self, batch: Matrix) -> list[str]:
        """Return the cache key of each candidate (B, d): its text, or its hash.

        Raises:
            PluginError: the objective raises.
        """
        if not isinstance(self.objective, Textual):
            return [candidate_hash(z) for z in batch]
        try:
            return [str(self.objective.text(z.copy())) for z in batch]
        except Exception as error:
            raise PluginError(f"the objective cannot tell the text of a candidate: {one_line(error)}") from error

    def find(self, key: str, split: str, role: str = "") -> Scored | None:
        """Return the outcome that answers an evaluation on a split: a query, or one with a role on the second account."""
        return self._known.get((split, key)) if self._shares(role) else None

    def note(self, keys: Sequence[str], outcome: Outcome) -> None:
        """Cache the outcome of evaluations, new or recalled from the journal."""
        for i, (key, record) in enumerate(zip(keys, outcome.records, strict=True)):
            if self._shares(record.role) and not record.raised:
                outputs = None if outcome.outputs is None else outcome.outputs[i]
                self._known.setdefault((record.split, key), Scored(record=record, outputs=outputs))

    def _shares(self, role: str) -> bool:
        """Tell whether evaluations with a role share outcomes with others; the hand-written prompt has no candidate."""
        return not role or (isinstance(self.objective, Textual) and role != "baseline")
