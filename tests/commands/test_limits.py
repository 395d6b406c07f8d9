"""Limits of time that a study sets at the process that supervises it."""

import pytest
from fakes import Bowl, HeldOutBowl, study

from dfo_prompt.commands.limits import set_limits
from dfo_prompt.config.stop import StopConfig
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError


class Recorder:
    """Keeps the limits that it is given."""

    def __init__(self):
        self.limits = []

    def limit(self, name, seconds, message):
        self.limits.append((name, seconds, message))


class Looked(HeldOutBowl):
    """Notes the limits that hold while it is scored on dev and test."""

    def __init__(self, supervisor):
        super().__init__()
        self.supervisor, self.seen = supervisor, []

    def validate(self, candidates, split):
        self.seen.append((split, self.queries, self.supervisor.limits[-1][1]))
        return super().validate(candidates, split)


class Rows(Looked):
    """Estimates a row for each candidate."""

    def estimate(self, count, split="train"):
        return Usage(rows=count)


def test_each_batch_renews_the_limit_and_the_end_of_the_search_removes_it():
    supervisor = Recorder()
    study(Bowl(), budget=10, observers=set_limits(supervisor, batch_seconds=2.5, study_seconds=None)).run()
    assert [(name, seconds) for name, seconds, _ in supervisor.limits] == [("batch", 2.5)] * 4 + [("batch", None)] * 2
    said = "the batch after query {} took longer than 2.5 seconds; the same command goes on from here"
    assert [message for *_, message in supervisor.limits[:4]] == [said.format(query) for query in (0, 4, 8, 10)]


ENDS = {
    "budget": {"budget": 8},
    "target": {"stop": StopConfig(target=1e9)},
    "patience": {"stop": StopConfig(patience=4, min_delta=1e9)},
    "time_limit": {"stop": StopConfig(time_limit=1e-9)},
    "limits.rows": {"limits": {"rows": 6}, "objective": Rows},
}


@pytest.mark.parametrize("reason", ENDS)
def test_no_evaluation_after_the_search_is_limited_whatever_ended_it(reason):
    supervisor = Recorder()
    settings = {"budget": 50, "validate_every": 4, "objective": Looked, **ENDS[reason]}
    objective = settings.pop("objective")(supervisor)
    result = study(objective, observers=set_limits(supervisor, batch_seconds=2.5, study_seconds=None), **settings).run()
    assert result.stop_reason == reason
    after = [limit for _, queries, limit in objective.seen if queries > result.spent.queries]  # the clean evaluation counts
    assert after
    assert set(after) == {None}
    if reason in ("target", "budget"):  # known before the look at dev that follows the last batch
        last = [limit for _, queries, limit in objective.seen if queries == result.spent.queries]
        assert last
        assert set(last) == {None}


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
