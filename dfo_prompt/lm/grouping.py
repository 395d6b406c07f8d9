"""Groups rows of token ids by common prefixes, so that each prefix is computed once."""

from collections.abc import Sequence
from itertools import pairwise

from dfo_prompt.lm.encoding import OVERHEAD_TOKENS

Ids = Sequence[int]
MOST_ROWS = 256
"""The largest number of rows in a group, which bounds the search for the cheapest groups."""


def group_rows(rows: Sequence[Ids], overhead: int = OVERHEAD_TOKENS) -> list[list[int]]:
    """Group rows by common prefixes at the least cost, and return the indices of each group's rows.

    A group costs the tokens of its common prefix once, the other tokens of its rows, and `overhead`. In lexical order, rows
    with a common prefix are neighbours, so that each group is a run of that order.
    """
    order = sorted(range(len(rows)), key=lambda i: tuple(rows[i]))
    shared = [0, *(_common_length(rows[a], rows[b]) for a, b in pairwise(order))]
    best: list[tuple[int, int]] = [(0, 0)]  # (cost, start of the last group) of the first n rows
    for end in range(1, len(order) + 1):
        prefix, tokens = len(rows[order[end - 1]]), 0
        options = []
        for start in range(end - 1, max(-1, end - 1 - MOST_ROWS), -1):
            if start < end - 1:
                prefix = min(prefix, shared[start + 1])
            tokens += len(rows[order[start]])
            options.append((best[start][0] + tokens - prefix * (end - start - 1) + overhead, start))
        best.append(min(options))
    groups, end = [], len(order)
    while end:
        start = best[end][1]
        groups.append(order[start:end])
        end = start
    return groups[::-1]


def _common_length(left: Ids, right: Ids) -> int:
    """Return the length of the common prefix of two rows."""
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
