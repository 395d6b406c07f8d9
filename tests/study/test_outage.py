"""Without an answer from a service a study stops, and the same call continues it."""

import numpy as np
import pytest
from fakes import Bowl, HeldOutBowl, steps, study

from dfo_prompt.errors import OutageError
from dfo_prompt.study.costs import read_spent
from dfo_prompt.study.records import FILES, Account, read_records

JOURNALS = tuple(FILES.values())


def failing(kind, at):
    """An objective of `kind` whose call number `at`, from 1 and counted over all methods, finds no service."""

    class Failing(kind):
        calls = 0

        def _count(self):
            self.calls += 1
            if self.calls == at:
                raise OutageError("no answer")

        def evaluate(self, candidates):
            self._count()
            return super().evaluate(candidates)

        def validate(self, candidates, split):
            self._count()
            return super().validate(candidates, split)

    if kind is Bowl:
        del Failing.validate
    return Failing()


@pytest.mark.parametrize(("kind", "at"), [(Bowl, 1), (Bowl, 4), (HeldOutBowl, 1), (HeldOutBowl, 5), (HeldOutBowl, 18)])
def test_an_outage_stops_the_study_and_the_rest_is_as_without_it(tmp_path, kind, at):
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole = study(kind(), folder=tmp_path / "whole").run()
    optimizer, failures = steps(), []

    class Watching:
        study_started = batch_evaluated = study_finished = staticmethod(lambda _: None)
        failed = staticmethod(failures.append)

    with pytest.raises(OutageError, match="no answer"):
        study(failing(kind, at), folder=tmp_path / "broken", optimizer=optimizer, observers=[Watching()]).run()
    assert failures == ["no answer"]
    before = read_records(tmp_path / "broken")
    assert len(optimizer.told) * 4 in (len(before), len(before) - 2)  # the last batch is cut by the budget, and not told
    assert all(record.status == "ok" for record in before)
    again = study(kind(), folder=tmp_path / "broken").run()
    for name in JOURNALS:
        assert (tmp_path / "broken" / name).exists() == (tmp_path / "whole" / name).exists()
        if (tmp_path / "whole" / name).exists():
            assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert (again.best_loss, again.failures) == (whole.best_loss, 0)
    for account in Account:
        spent, unbroken = read_spent(tmp_path / "broken", account), read_spent(tmp_path / "whole", account)
        assert (spent.queries, spent.rows) == (unbroken.queries, unbroken.rows)


class Listening(HeldOutBowl):
    """Keeps the account and number of each call."""

    def __init__(self, dim=3):
        super().__init__(dim)
        self.heard = []

    def expect(self, account, first):
        self.heard.append((str(account), first))


def test_a_numbered_objective_hears_the_same_numbers_in_a_study_that_goes_on(tmp_path):
    (tmp_path / "s").mkdir()
    whole = Listening()
    study(whole, budget=10).run()
    assert whole.heard[:4] == [("validation", 1), ("validation", 2), ("queries", 1), ("queries", 5)]
    assert len(set(whole.heard)) == len(whole.heard)

    class Cut(Listening):
        def evaluate(self, candidates):
            if self.queries == 4:
                raise OutageError("no answer")
            return super().evaluate(candidates)

    one, two = Cut(), Listening()
    with pytest.raises(OutageError):
        study(one, budget=10, folder=tmp_path / "s").run()
    study(two, budget=10, folder=tmp_path / "s").run()
    assert one.heard + two.heard[1:] == whole.heard
    assert two.heard[0] == one.heard[-1]
    assert np.isfinite(whole.evaluate(np.zeros((1, 3))).losses).all()
