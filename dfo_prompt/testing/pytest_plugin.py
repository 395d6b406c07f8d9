"""Adds `pytest --dfo-prompt-optimizer NAME`, which runs the conformance suite against an installed optimizer.

pytest imports this module in every run of the environment, so nothing else of dfo_prompt is imported here.
"""

from pathlib import Path

import pytest

OPTION, QUICK = "--dfo-prompt-optimizer", "--dfo-prompt-quick"
SLOWEST = 5
"""Tests whose seconds are printed at the end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("dfo-prompt")
    group.addoption(OPTION, action="append", default=[], metavar="NAME", help="Run the conformance suite of optimizers.")
    group.addoption(QUICK, action="store_true", help="Run it with fewer dimensions, seeds and queries, for slow optimizers.")


def pytest_configure(config: pytest.Config) -> None:
    """Collect the conformance suite, and nothing else, if the option is given, and print which tests take longest."""
    if config.getoption(OPTION):
        config.args[:] = [str(Path(__file__).with_name("test_installed.py"))]
        if config.option.durations is None:
            config.option.durations = SLOWEST
