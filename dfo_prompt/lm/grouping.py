"""Groups rows of token ids by common prefixes, so that each prefix is computed once."""

from collections.abc import Sequence
from itertools import pairwise

from dfo_prompt.lm.encoding import OVERHEAD_TOKENS

Ids = Sequence[int]
MOST_ROWS = 256
"""The most rows of a group, which bounds the search for the cheapest groups."""


def group_rows(rows: Sequence[Ids], overhead: int = OVERHEAD_TOKENS) -> list[list[int]]:
    """Return the places of the rows in the groups that cost least: each group's beginning once, and the rests of its rows.

    In lexical order, rows with a common beginning stand side by side: groups are runs of that order.
    """
    order = sorted(range(len(rows)), key=lambda i: tuple(rows[i]))
    shared = [0, *(_common(rows[a], rows[b]) for a, b in pairwise(order))]
    best: list[tuple[int, int]] = [(0, 0)]  # (cost, start of the last group) of the first n rows
    for end in range(1, len(order) + 1):
        begin, rest = len(rows[order[end - 1]]), 0
        found = []
        for start in range(end - 1, max(-1, end - 1 - MOST_ROWS), -1):
            if start < end - 1:
                begin = min(begin, shared[start + 1])
            rest += len(rows[order[start]])
            found.append((best[start][0] + rest - begin * (end - start - 1) + overhead, start))
        best.append(min(found))
    groups, end = [], len(order)
    while end:
        start = best[end][1]
        groups.append(order[start:end])
        end = start
    return groups[::-1]


def _common(one: Ids, other: Ids) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
