"""Requests of several clients are evaluated in one batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.service.gathering import Gathering
from dfo_prompt.service.lost import Lost


class Recorder:
    """The sum of squares; says how many candidates each batch had; refuses a batch with a value above 99."""

    dim = 2

    def __init__(self, rows=7):
        self.batches, self._rows = [], rows

    def evaluate(self, candidates):
        self.batches.append(len(candidates))
        if (candidates > 99).any():
            raise ValueError("too large")
        losses = (candidates**2).sum(axis=1)
        return Evaluation(losses=losses, metrics={"double": 2 * losses}, usage=Usage(rows=self._rows))


def asked(*sizes):
    """Requests of these sizes, by key."""
    return {("client", str(i)): np.arange(2.0 * size).reshape(size, 2) + i for i, size in enumerate(sizes)}


def gather(objective, most):
    return Gathering(objective, most=most, lost=Lost(objective, "recorder"))


def answers(gathering, requests):
    for key, candidates in requests.items():
        gathering.announce(key, candidates)
    return [gathering.evaluate(key, candidates) for key, candidates in requests.items()]


def test_all_that_wait_are_one_batch():
    objective = Recorder()
    found = answers(gather(objective, 10), requests := asked(2, 3, 1))
    assert objective.batches == [6]
    for item, candidates in zip(found, requests.values(), strict=True):
        assert item.losses.tolist() == (candidates**2).sum(axis=1).tolist()
        assert item.metrics["double"].tolist() == (2 * item.losses).tolist()


def test_what_does_not_fit_waits_for_its_turn():
    objective = Recorder()
    answers(gather(objective, 5), asked(2, 4, 3, 9))
    assert objective.batches == [5, 4, 9]


def test_a_request_that_fails_fails_alone():
    objective = Recorder()
    gathering, requests = gather(objective, 10), asked(1, 2, 1)
    bad = [*requests][1]
    requests[bad] = requests[bad] + 100
    for key, candidates in requests.items():
        gathering.announce(key, candidates)
    for key, candidates in requests.items():
        if key == bad:
            with pytest.raises(ValueError, match="too large"):
                gathering.evaluate(key, candidates)
        else:
            assert gathering.evaluate(key, candidates).losses.tolist() == (candidates**2).sum(axis=1).tolist()
    assert objective.batches == [4, 1, 2, 1]


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8), rows=st.integers(0, 10**6))
def test_shares_of_usage_add_up(sizes, rows):
    objective = Recorder(rows)
    found = answers(gather(objective, 100), asked(*sizes))
    assert len(objective.batches) == 1
    assert sum(item.usage.rows for item in found) == rows
    assert all(abs(item.usage.rows - rows * size / sum(sizes)) < 1 for item, size in zip(found, sizes, strict=True))
