"""Tells exhausted memory from other errors."""

import re


def out_of_memory(error: Exception) -> bool:
    """Tell whether an error means that memory is exhausted, on CUDA, MPS or the CPU."""
    return re.search("out of memory|not enough memory|can't allocate memory", str(error)) is not None
