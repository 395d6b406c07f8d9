"""Limits in other currencies are not exceeded, are used up as far as estimates allow, and hold after any kill."""

import shutil
from contextlib import suppress
from typing import ClassVar

import numpy as np
import pytest
from disks import Disk, Killed
from fakes import Bowl, Metered, Paid, steps, study
from hypothesis import given, settings
from hypothesis import strategies as st

import dfo_prompt as dp
from dfo_prompt._util import durable
from dfo_prompt.config.prices import Prices
from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError, OutageError, PluginError, StudyError
from dfo_prompt.run.manifest import describe_run
from dfo_prompt.study.audit import mismatch
from dfo_prompt.study.costs import read_spent
from dfo_prompt.study.folder import study_folder
from dfo_prompt.study.records import Account, Outcome, Record, joined, read_records
from dfo_prompt.study.saved import load_result, save_result

MANIFEST = describe_run({"budget": 50, "dim": 3}, {}, {})
COMPARED = ("journal.jsonl", "validation.jsonl", "candidates.f64", "candidates.npz")


@pytest.mark.parametrize("tokens", [10, 47, 100, 101, 200, 277])
def test_a_limit_is_never_passed_and_leaves_less_than_a_query_takes(tokens):
    optimizer = steps()
    result = study(Metered(), limits={"tokens": tokens}, optimizer=optimizer).run()
    if result.spent.queries == 50:
        assert result.stop_reason == "budget"
    else:
        assert result.stop_reason == "limits.tokens"
        assert tokens - 10 < result.spent.tokens <= tokens
    assert len(optimizer.told) == result.spent.queries // 4  # whole batches only


def test_whichever_limit_binds_first_ends_the_search():
    reasons = {
        study(Metered(), budget=budget, limits=limits).run().stop_reason
        for budget, limits in [
            (8, {"tokens": 500}),
            (50, {"tokens": 60, "requests": 50}),
            (50, {"tokens": 500, "requests": 3}),
        ]
    }
    assert reasons == {"budget", "limits.tokens", "limits.requests"}


def test_a_batch_is_evaluated_in_parts_as_its_first_ones_take_less_than_they_could():
    class Small(Metered):
        sizes: ClassVar[list[int]] = []

        def evaluate(self, candidates):
            self.sizes.append(len(candidates))
            return Evaluation(losses=(candidates**2).sum(axis=1), usage=Usage(tokens=len(candidates)))

    objective, optimizer = Small(), steps()
    result = study(objective, limits={"tokens": 25}, optimizer=optimizer).run()
    # 10 a candidate are reserved and one is used: two fit, then two; with 21 left two and then one; ...
    assert objective.sizes[:5] == [2, 2, 2, 1, 1]
    assert (result.spent.tokens, result.stop_reason) == (16, "limits.tokens")
    assert len(optimizer.told) == 4


def run(folder, objective, **limits):
    with study_folder(folder, MANIFEST):
        result = study(objective, folder=folder, limits=limits).run()
        save_result(folder, result)
    return result


def run_on(disk, folder, objective, **limits):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "os", disk)
        try:
            return run(folder, objective, **limits)
        except Killed:
            return None


def contents(folder):
    return [(folder / name).read_bytes() for name in COMPARED]


@pytest.mark.slow
def test_a_kill_at_any_write_changes_nothing_where_repetitions_cost_nothing(tmp_path):
    limits, disk = {"tokens": 123}, Disk()
    whole = run_on(disk, tmp_path / "whole", Metered(), **limits)
    assert whole.stop_reason == "limits.tokens"
    assert whole.spent.queries % 4
    faults = [(step, share) for step in range(1, disk.steps + 1) for share in (0.0, 0.6, 1.0)]
    assert len(faults) > 150
    for step, share in faults:
        folder = tmp_path / "s"
        assert run_on(Disk(step, share), folder, Metered(), **limits) is None
        result = run_on(Disk(), folder, Metered(), **limits)
        assert contents(folder) == contents(tmp_path / "whole"), (step, share)
        assert (result.stop_reason, result.spent.tokens) == ("limits.tokens", whole.spent.tokens)
        assert load_result(folder).stop_reason == "limits.tokens"
        shutil.rmtree(folder)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    faults=st.lists(st.tuples(st.integers(1, 70), st.sampled_from((0.0, 0.6, 1.0))), max_size=5), tokens=st.integers(60, 300)
)
def test_what_kills_made_a_service_repeat_is_spent_and_the_limit_holds_all_the_same(tmp_path_factory, faults, tokens):
    folder, bill = tmp_path_factory.mktemp("paid") / "s", Usage()
    for step, share in [*faults, (0, 0.0)]:
        objective = Paid()
        result = None
        with suppress(StudyError):  # all was spent on batches that were cut off
            result = run_on(Disk(step, share), folder, objective, tokens=tokens)
        bill += objective.bill
    search, rest = (read_spent(folder, account) for account in Account)
    assert search.tokens <= tokens
    assert result is None or len(read_records(folder)) == result.spent.queries
    # Whatever was billed is spent; beyond it stand estimates of batches that were cut off, one a kill at most.
    cut = len(faults) * Paid().estimate(4).tokens
    assert bill.tokens <= search.tokens + rest.tokens <= bill.tokens + cut
    assert bill.requests <= search.requests + rest.requests <= bill.requests + len(faults)
    assert (search.unanswered + rest.unanswered) <= len(faults)


def failing(at, usage):
    class Failing(Paid):
        def evaluate(self, candidates):
            if self.queries >= at:
                raise OutageError("no answer", usage=usage)
            return super().evaluate(candidates)

    return Failing()


@pytest.mark.parametrize(
    ("usage", "charged"),
    [
        (Usage(tokens=3, requests=1), Usage(tokens=3, requests=1)),
        (Usage(), Usage()),
        (None, Usage(rows=4, tokens=40, requests=1, unanswered=1)),  # its estimate
    ],
)
def test_an_outage_is_charged_once_with_what_it_says_or_else_with_its_estimate(tmp_path, usage, charged):
    whole = study(Paid()).run().spent
    (tmp_path / "s").mkdir()
    for _ in range(2):
        with pytest.raises(OutageError, match="no answer"):
            study(failing(12, usage), folder=tmp_path / "s").run()
    result = study(Paid(), folder=tmp_path / "s").run()
    again = study(Paid(), folder=tmp_path / "s").run()
    for name in ("rows", "tokens", "requests", "unanswered", "queries"):
        assert getattr(result.spent, name) == getattr(whole, name) + 2 * getattr(charged, name), name
    assert again.spent == result.spent == read_spent(tmp_path / "s")
    assert result.spent.repeated == 8


def test_an_outage_of_what_costs_nothing_again_is_not_charged_unless_it_says_so(tmp_path):
    class Away(Metered):
        def evaluate(self, candidates):
            raise OutageError("no answer")

    with pytest.raises(OutageError):
        study(Away(), folder=tmp_path).run()
    assert study(Metered(), folder=tmp_path).run().spent.tokens == study(Metered()).run().spent.tokens


def test_a_failed_look_at_held_out_data_is_charged_what_it_says(tmp_path):
    class Blind(Paid):
        def evaluate(self, candidates):
            if self.queries == 50:
                error = OSError("away")
                error.usage = Usage(tokens=5)
                raise error
            return super().evaluate(candidates)

    with pytest.raises(StudyError, match="scoring the recommended candidate on train failed"):
        study(Blind(), folder=tmp_path).run()
    before = read_spent(tmp_path, Account.VALIDATION)
    assert (before.tokens, before.queries) == (5, 0)
    result = study(Paid(), folder=tmp_path).run()
    assert result.validation.tokens > 5
    assert result.validation.unanswered == 0


class Greedy(Metered):
    """Takes more than it estimates, from the tenth query on."""

    def evaluate(self, candidates):
        found = super().evaluate(candidates)
        return found if self.queries < 10 else Evaluation(losses=found.losses, usage=Usage(tokens=300))


def test_what_goes_beyond_its_estimate_is_recorded_warned_of_once_and_ends_the_study():
    with pytest.warns(RuntimeWarning, match="'bowl': used 300 tokens, more than the 40 that it estimated") as caught:
        result = study(Greedy(), limits={"tokens": 250}).run()
    assert len(caught) == 1
    assert result.spent.tokens > 250
    assert result.stop_reason == "limits.tokens"
    assert result.warnings == (f"{result.spent.tokens} tokens were used, above the limit of 250",)


@pytest.mark.parametrize(
    ("billed", "unanswered", "said"), [(102, 0, True), (98, 0, True), (101, 0, False), (0, 0, False), (98, 1, False)]
)
def test_another_count_of_tokens_by_the_service_is_warned_of_once_and_stands_in_the_result(
    tmp_path, billed, unanswered, said
):
    class Billing(Bowl):
        def evaluate(self, candidates):
            found, count = super().evaluate(candidates), len(candidates)
            usage = Usage(tokens=100 * count, billed_tokens=billed * count, unanswered=unanswered)
            return Evaluation(losses=found.losses, usage=usage)

    if said:
        with pytest.warns(RuntimeWarning, match=f"'bowl': the service counts {4 * billed} tokens, the ledger 400") as caught:
            result = study(Billing(), folder=tmp_path).run()
        assert len(caught) == 1
    else:
        result = study(Billing(), folder=tmp_path).run()
    assert result.warnings == ((f"the service counts {50 * billed:,} tokens, the ledger 5,000",) if said else ())
    assert study(Billing(), folder=tmp_path).run().warnings == result.warnings


@pytest.mark.parametrize(("billed", "said"), [(150, False), (151, False), (153, True)])
def test_a_service_may_count_the_tokens_of_outputs_too(billed, said):
    assert bool(mismatch(Usage(tokens=100, rows=50, billed_tokens=billed))) == said


def test_a_reported_price_takes_precedence_over_that_of_the_tokens():
    class Billed(Bowl):
        def evaluate(self, candidates):
            count = len(candidates)
            losses = super().evaluate(candidates).losses
            return Evaluation(losses=losses, usage=Usage(tokens=count, nanodollars=5 * count))

    assert study(Billed(), prices=Prices(input="1")).run().spent.nanodollars == 5 * 50


class Estimated(Bowl):
    def __init__(self, usage):
        super().__init__()
        self.usage = usage

    def estimate(self, count):
        return self.usage


@pytest.mark.parametrize(
    ("objective", "limits", "error", "said"),
    [
        (Bowl(), {"tokens": 100}, InputError, "limits.tokens: objective 'bowl' estimates none of it; limit another"),
        (Metered(), {"uploaded": 100}, InputError, "limits.uploaded: objective 'bowl' estimates none of it"),
        (Metered(), {"nanodollars": 100}, InputError, r"limits.nanodollars: .* set \[prices\]"),
        (Metered(), {"tokens": 9}, InputError, "limits.tokens: a query takes up to 10, more than the 9 there are"),
        (Metered(), {"tokns": 9}, InputError, "unknown currency 'tokns'; did you mean 'tokens'"),
        (Metered(), {"tokens": 0}, InputError, "limits.tokens must be at least 1, not 0"),
        (Estimated(3), {"tokens": 9}, PluginError, "gave a int for usage"),
        (Estimated(Usage(tokens=-1)), {"tokens": 9}, PluginError, "gave -1 for tokens"),
    ],
)
def test_limits_that_cannot_be_kept_are_refused_at_once(objective, limits, error, said):
    with pytest.raises(error, match=said):
        study(objective, limits=limits)
    assert objective.queries == 0


def test_a_candidate_that_is_answered_from_the_journal_takes_nothing_of_a_limit():
    class Same(type(steps())):
        def ask(self):
            return np.ones((4, self.dim))

    optimizer = Same(dim=3, seed=1, budget=50, popsize=4, sigma=0.5, x0=np.ones(3))
    result = study(Metered(), limits={"requests": 1}, optimizer=optimizer).run()
    assert (result.spent.queries, result.spent.requests, result.stop_reason) == (50, 1, "budget")


def test_a_limit_that_cut_off_batches_used_up_is_one_line(tmp_path):
    for _ in range(2):
        with pytest.raises(OutageError):
            study(failing(0, Usage(tokens=20)), folder=tmp_path, limits={"tokens": 45}).run()
    said = "limits.tokens: 40 of 45 went on batches that were cut off, and no query fits in the rest; start again"
    with pytest.raises(StudyError, match=said):
        study(Paid(), folder=tmp_path, limits={"tokens": 45}).run()


def test_asking_a_paid_objective_again_whether_it_is_the_same_is_charged(tmp_path):
    first = dp.minimize(Paid(), budget=20, out=tmp_path / "s")
    again = Paid()
    second = dp.minimize(again, budget=20, out=tmp_path / "s")
    assert again.bill.tokens > 0
    assert second.validation.tokens == first.validation.tokens + again.bill.tokens
    assert (second.spent, second.validation.repeated) == (first.spent, 1)


def test_the_outputs_of_a_batch_in_parts_are_told_together():
    whole = np.arange(12.0).reshape(4, 3)
    records = tuple(Record(query=query, candidate="") for query in range(1, 5))
    parts = [Outcome(candidates=whole[i : i + 2], records=records[i : i + 2], outputs=2 * whole[i : i + 2]) for i in (0, 2)]
    found = joined(parts)
    np.testing.assert_array_equal(found.outputs, 2 * found.candidates)
    assert found.records == records


@pytest.mark.parametrize("kind", [Paid, Metered])
def test_a_batch_that_fails_without_a_word_is_charged_its_estimate(kind):
    class Failing(kind):
        def evaluate(self, candidates):
            if not self.queries:
                self.queries += len(candidates)
                raise OSError("garbled")
            return super().evaluate(candidates)

    result = study(Failing(), budget=5).run()
    last = int(result.spent.tokens) - 40
    assert 1 <= last <= 10
    assert (result.failures, result.spent.unanswered) == (4, 1)
