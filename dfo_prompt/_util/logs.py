"""Silences loggers, or writes their messages to standard error."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def only_errors(name: str) -> Iterator[None]:
    """Silence messages of the logger `name` below ERROR."""
    with _level(logging.getLogger(name), logging.ERROR):
        yield


@contextmanager
def on_standard_error(name: str) -> Iterator[None]:
    """Write messages of the logger `name` from INFO on to standard error."""
    logger, handler = logging.getLogger(name), logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    try:
        with _level(logger, logging.INFO):
            yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _level(logger: logging.Logger, level: int) -> Iterator[None]:
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
