"""Studies end early by patience, a target or the clock, at the same query after any interruption."""

from itertools import count

import numpy as np
import pytest
from fakes import Bowl, HeldOutBowl, steps, study

import dfo_prompt as dp
from dfo_prompt.config.stop import StopConfig
from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.run.manifest import CLOCK
from dfo_prompt.study import attempt
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.records import read_records

COMPARED = ("journal.jsonl", "validation.jsonl", "candidates.f64", "validation.f64")


def files(folder):
    return {name: (folder / name).read_bytes() for name in COMPARED}


class Interrupt:
    """Ends a study as Ctrl-C does, once so many queries are journaled."""

    def __init__(self, at):
        self.at = at

    def study_started(self, info):
        pass

    def batch_evaluated(self, batch):
        if batch.queries == self.at and not batch.recalled:
            raise KeyboardInterrupt

    def study_finished(self, result):
        pass


class Flat(Bowl):
    """Falls by 0.1 a batch of four, three times, and stays."""

    def evaluate(self, candidates):
        self.queries += len(candidates)
        return Evaluation(losses=np.full(len(candidates), 1.0 - 0.1 * min(self.queries // 4, 3)))


@pytest.mark.parametrize(("patience", "queries"), [(1, 16), (4, 16), (5, 20), (8, 20), (30, 44)])
def test_patience_ends_a_search_that_no_longer_improves(patience, queries):
    result = study(Flat(), stop=StopConfig(patience=patience)).run()
    assert (result.stop_reason, result.spent.queries) == ("patience", queries)


def test_improvements_below_min_delta_count_for_nothing():
    result = study(Flat(), stop=StopConfig(patience=8, min_delta=0.15)).run()
    assert (result.stop_reason, result.spent.queries) == ("patience", 20)  # better at 4 and, by 0.2, at 12
    result = study(Flat(), stop=StopConfig(patience=8, min_delta=0.5)).run()
    assert (result.stop_reason, result.spent.queries) == ("patience", 12)


def test_a_target_ends_the_search_with_the_batch_that_reaches_it(tmp_path):
    result = study(Bowl(), folder=tmp_path, stop=StopConfig(target=0.9)).run()
    losses = [record.loss for record in read_records(tmp_path)]
    first = next(i for i, loss in enumerate(losses) if loss <= 0.9)
    assert result.stop_reason == "target"
    assert result.spent.queries == len(losses) == (first // 4 + 1) * 4 < 50
    assert result.best_loss <= 0.9


def test_rules_may_look_at_dev():
    rules = StopConfig(patience=4, on="dev")
    on_dev = study(HeldOutBowl(), budget=200, stop=rules, validate_every=4).run()
    assert on_dev.stop_reason == "patience"
    on_train = study(HeldOutBowl(), budget=200, stop=StopConfig(patience=4), validate_every=4).run()
    assert on_dev.spent.queries != on_train.spent.queries
    with pytest.raises(dp.InputError, match="no dev split; set stop.on to 'train'"):
        study(Bowl(), stop=rules)


@pytest.mark.parametrize("rules", [StopConfig(patience=8), StopConfig(target=0.9), StopConfig(patience=4, on="dev")])
@pytest.mark.parametrize("at", [4, 8])
def test_a_study_that_goes_on_decides_the_same_again(tmp_path, rules, at):
    more = {"stop": rules, "validate_every": 4}
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole = study(HeldOutBowl(), folder=tmp_path / "whole", **more).run()
    with pytest.raises(KeyboardInterrupt):
        study(HeldOutBowl(), folder=tmp_path / "broken", observers=[Interrupt(at)], **more).run()
    for _ in range(2):  # continued, and then finished already
        result = study(HeldOutBowl(), folder=tmp_path / "broken", **more).run()
        assert (result.stop_reason, result.spent.queries) == (whole.stop_reason, whole.spent.queries)
        assert files(tmp_path / "broken") == files(tmp_path / "whole")
    assert whole.stop_reason != "budget"


def test_a_time_limit_counts_the_seconds_of_all_runs(tmp_path, monkeypatch):
    ticks = count()
    monkeypatch.setattr(attempt, "perf_counter", lambda: float(next(ticks)))  # a batch takes a second
    rules = StopConfig(time_limit=5.0)
    with pytest.raises(KeyboardInterrupt):
        study(Bowl(), folder=tmp_path, stop=rules, observers=[Interrupt(12)]).run()
    result = study(Bowl(), folder=tmp_path, stop=rules).run()
    assert (result.stop_reason, result.spent.queries) == ("time_limit", 20)
    again = study(Bowl(), folder=tmp_path, stop=rules).run()
    assert (again.stop_reason, again.spent.queries, again.best_loss) == ("time_limit", 20, result.best_loss)


def test_what_was_journaled_is_not_decided_again_by_the_clock(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        study(Bowl(), folder=tmp_path, observers=[Interrupt(32)]).run()
    journal = (tmp_path / "journal.jsonl").read_bytes()
    result = study(Bowl(), folder=tmp_path, stop=StopConfig(time_limit=1e-9)).run()
    assert (result.stop_reason, result.spent.queries) == ("time_limit", 32)
    assert (tmp_path / "journal.jsonl").read_bytes() == journal


def test_the_manifest_says_that_a_time_limit_depends_on_the_clock(tmp_path):
    given = {"budget": 20, "popsize": 4}
    dp.minimize(Bowl(), out=tmp_path / "time", stop={"time_limit": 1e-9}, **given)
    dp.minimize(Bowl(), out=tmp_path / "patience", stop={"patience": 8}, **given)
    dp.minimize(Bowl(), out=tmp_path / "plain", **given)
    assert read_manifest(tmp_path / "time")[CLOCK] == "stop.time_limit"
    assert CLOCK not in read_manifest(tmp_path / "patience")
    assert "stop" not in read_manifest(tmp_path / "plain")["config"]  # that of earlier versions
    with pytest.raises(dp.InputError, match="stop.patience is 8 there and 9"):
        dp.minimize(Bowl(), out=tmp_path / "patience", stop={"patience": 9}, **given)


@pytest.mark.parametrize(
    ("stop", "said"),
    [({}, "set time_limit, patience or target"), ({"min_delta": 1.0, "target": 0.0}, "min_delta is for patience")],
)
def test_rules_that_say_nothing_are_refused(stop, said):
    with pytest.raises(dp.InputError, match=said):
        dp.minimize(Bowl(), budget=10, stop=stop)


def test_a_failure_is_no_improvement():
    class Broken(Bowl):
        def evaluate(self, candidates):
            self.queries += len(candidates)
            return Evaluation(losses=np.full(len(candidates), 1.0 if self.queries <= 4 else np.nan))

    result = study(Broken(), optimizer=steps(), stop=StopConfig(patience=12)).run()
    assert (result.stop_reason, result.spent.queries, result.failures) == ("patience", 16, 12)
