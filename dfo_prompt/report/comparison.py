"""Compares all pairs of optimizers at one level of inference, for tables, pictures and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import combinations

import numpy as np

from dfo_prompt.report import statistics
from dfo_prompt.suite.config import Inference
from dfo_prompt.types import Matrix, Vector


class Conclusion(StrEnum):
    """The conclusion from the interval of a difference of scores, where the first optimizer has the higher score."""

    BETTER = "better"
    EQUAL = "equal"
    OPEN = "open"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The comparison of all pairs of optimizers.

    Attributes:
        names: the optimizers, the highest score first.
        values: (problems, seeds, optimizers), in the order of `names`; smaller is better.
        margin: the largest difference of scores without practical relevance.
        inference: whether seeds or problems are the sample.
    """

    names: tuple[str, ...]
    values: Matrix
    margin: float
    inference: Inference

    @cached_property
    def scores(self) -> Vector:
        """Return the score of each optimizer, (k,)."""
        return np.array([1 - statistics.average(self.values[:, :, i]) for i in range(len(self.names))])

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Return the positions of the two optimizers of each pair, the higher score first."""
        return tuple(combinations(range(len(self.names)), 2))

    @property
    def needed(self) -> int:
        """Return the fewest problems (or seeds, if these are the sample) on which a difference can be significant."""
        return 2 if self.inference == "seeds" else statistics.problems_needed(max(len(self.pairs), 1))

    @property
    def possible(self) -> bool:
        """Tell whether the suite is large enough for a significant difference."""
        problems, seeds, _ = self.values.shape
        return bool((seeds if self.inference == "seeds" else problems) >= self.needed)

    @cached_property
    def differences(self) -> Vector:
        """Return the difference of scores of each pair, (m,), never negative."""
        return np.array([self.scores[i] - self.scores[j] for i, j in self.pairs])

    @cached_property
    def _tested(self) -> tuple[Matrix, Vector]:
        first, second = np.triu_indices(len(self.names), 1)
        same = ~(self.values[:, :, first] != self.values[:, :, second]).any(axis=(0, 1))
        if not len(first) or not self.possible:
            return np.full((len(first), 2), np.nan), np.full(len(first), np.nan)
        if self.inference == "seeds":
            draws = np.stack([1 - statistics.resampled(self.values[:, :, i]) for i in range(len(self.names))], axis=1)
            drawn = draws[:, first] - draws[:, second]
            intervals, p = statistics.simultaneous(
                self.differences, drawn, self.values[:, :, first] - self.values[:, :, second]
            )
        else:
            each = 1 - statistics.by_problem(np.moveaxis(self.values, 2, 0))  # (k, problems)
            intervals, p = statistics.sign_flips(each[first] - each[second])
        intervals[same] = 0.0
        return intervals, p

    @cached_property
    def intervals(self) -> Matrix:
        """Return the simultaneous 95 % intervals of the differences, (m, 2); NaN where none is possible."""
        return self._tested[0]

    @cached_property
    def p(self) -> Vector:
        """Return the p values of the differences, corrected for all pairs, (m,); NaN where none is possible."""
        return self._tested[1]

    @cached_property
    def conclusions(self) -> tuple[Conclusion, ...]:
        """Return the conclusion for each pair."""
        return tuple(self._conclusion(low, high) for low, high in self.intervals)

    def _conclusion(self, low: float, high: float) -> Conclusion:
        if -self.margin <= low and high <= self.margin:
            return Conclusion.EQUAL
        return Conclusion.BETTER if low > 0 else Conclusion.OPEN

    def of(self, first: str, second: str) -> int:
        """Return the position of a pair; `first` has the higher score."""
        return self.pairs.index((self.names.index(first), self.names.index(second)))

    def ranks(self, i: int) -> tuple[int, int]:
        """Return the best and the worst rank of an optimizer that are consistent with the conclusions."""
        better = [pair for pair, found in zip(self.pairs, self.conclusions, strict=True) if found is Conclusion.BETTER]
        return 1 + sum(second == i for _, second in better), len(self.names) - sum(first == i for first, _ in better)


def compare(values: Matrix, names: Sequence[str], *, margin: float, inference: Inference) -> Comparison:
    """Return the comparison of optimizers, ordered by score; equal scores keep their order."""
    scores = [statistics.average(values[:, :, i]) for i in range(len(names))]
    order = np.argsort(scores, kind="stable")
    return Comparison(names=tuple(names[i] for i in order), values=values[:, :, order], margin=margin, inference=inference)
