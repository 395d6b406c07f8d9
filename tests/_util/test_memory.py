"""Measured peak memory agrees with the size of allocated arrays."""

import sys

import numpy as np
import pytest

from dfo_prompt._util.memory import allocated_by, forget_peak, peak_resident

MIB = 1024**2


def test_allocated_is_the_most_at_once():
    def call():
        for _ in range(3):
            np.ones(4 * MIB, dtype=np.uint8)

    assert 4 * MIB <= allocated_by(call) < 5 * MIB


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says so")
def test_a_peak_is_forgotten():
    forget_peak()
    before = peak_resident()
    large = np.ones(64 * MIB, dtype=np.uint8)
    assert peak_resident() - before > 60 * MIB
    del large
    forget_peak()
    assert peak_resident() - before < 30 * MIB
