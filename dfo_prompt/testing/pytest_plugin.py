"""Adds `pytest --dfo-prompt-optimizer NAME`, which runs the conformance suite against an installed optimizer."""

from pathlib import Path

import pytest

OPTION = "--dfo-prompt-optimizer"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    group = parser.getgroup("dfo-prompt")
    group.addoption(OPTION, action="append", default=[], metavar="NAME", help="Run the conformance suite of optimizers.")


def pytest_configure(config: pytest.Config) -> None:
    """Collect the conformance suite, and nothing else, if the option is given."""
    if config.getoption(OPTION):
        config.args[:] = [str(Path(__file__).with_name("test_installed.py"))]
