"""Adds `pytest --dfo-prompt-optimizer NAME`, which runs the conformance tests of an installed optimizer.

pytest imports this module in every run of the environment, so it imports nothing else of dfo_prompt.
"""

from pathlib import Path

import pytest

OPTION, QUICK = "--dfo-prompt-optimizer", "--dfo-prompt-quick"
SLOWEST = 5
"""The number of slowest tests to print at the end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("dfo-prompt")
    group.addoption(OPTION, action="append", default=[], metavar="NAME", help="Run the conformance suite of optimizers.")
    group.addoption(QUICK, action="store_true", help="Run it with fewer dimensions, seeds and queries, for slow optimizers.")


def pytest_configure(config: pytest.Config) -> None:
    """If the option is given, collect only the conformance tests and print the slowest ones."""
    if config.getoption(OPTION):
        config.args[:] = [str(Path(__file__).with_name("test_installed.py"))]
        if config.option.durations is None:
            config.option.durations = SLOWEST
