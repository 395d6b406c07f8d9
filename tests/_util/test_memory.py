"""Measured peak memory agrees with the size of allocated arrays."""

import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dfo_prompt._util.memory import allocated_by, forget_peak, peak_resident

MIB = 1024**2


def test_allocated_is_the_most_at_once():
    def call():
        for _ in range(3):
            np.ones(4 * MIB, dtype=np.uint8)

    assert 4 * MIB <= allocated_by(call) < 5 * MIB


def test_tracing_of_the_caller_goes_on():
    tracemalloc.start()
    try:
        held = np.ones(8 * MIB, dtype=np.uint8)
        assert 4 * MIB <= allocated_by(lambda: np.ones(4 * MIB, dtype=np.uint8)) < 5 * MIB
        assert tracemalloc.get_traced_memory()[0] >= held.nbytes
    finally:
        tracemalloc.stop()


def test_threads_are_measured_one_at_a_time():
    def call():
        block = np.ones(4 * MIB, dtype=np.uint8)
        time.sleep(0.05)
        return block

    with ThreadPoolExecutor(2) as pool:
        found = [*pool.map(lambda _: allocated_by(call), range(2))]
    assert all(4 * MIB <= peak < 5 * MIB for peak in found)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says so")
def test_a_peak_is_forgotten():
    forget_peak()
    before = peak_resident()
    large = np.ones(64 * MIB, dtype=np.uint8)
    assert peak_resident() - before > 60 * MIB
    del large
    forget_peak()
    assert peak_resident() - before < 30 * MIB
