"""Limits of time that a study sets at the process that supervises it."""

import pytest
from fakes import Bowl, study

from dfo_prompt.commands.limits import set_limits
from dfo_prompt.errors import InputError


class Recorder:
    """Keeps the limits that it is given."""

    def __init__(self):
        self.limits = []

    def limit(self, name, seconds, message):
        self.limits.append((name, seconds, message))


def test_each_batch_renews_the_limit_and_the_last_one_removes_it():
    supervisor = Recorder()
    study(Bowl(), budget=10, observers=set_limits(supervisor, batch_seconds=2.5, study_seconds=None)).run()
    assert [(name, seconds) for name, seconds, _ in supervisor.limits] == [("batch", 2.5)] * 3 + [("batch", None)]
    said = "the batch after query {} took longer than 2.5 seconds; the same command goes on from here"
    assert [message for *_, message in supervisor.limits] == [said.format(query) for query in (0, 4, 8, 10)]


def test_a_study_as_a_whole_is_limited_without_an_observer():
    supervisor = Recorder()
    assert set_limits(supervisor, batch_seconds=None, study_seconds=60.0) == []
    ((name, seconds, message),) = supervisor.limits
    assert (name, seconds) == ("study", 60.0)
    assert message.startswith("the study took longer than 60 seconds; ")


def test_limits_need_a_supervisor():
    assert set_limits(None, batch_seconds=None, study_seconds=None) == []
    with pytest.raises(InputError, match="limits of time need a supervising process"):
        set_limits(None, batch_seconds=1.0, study_seconds=None)
