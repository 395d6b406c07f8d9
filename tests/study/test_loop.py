import numpy as np
import pytest
from fakes import Bowl, HeldOutBowl, Steps, steps, study

import dfo_prompt as dp
from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import PluginError, StudyError
from dfo_prompt.study.costs import read_spent
from dfo_prompt.study.failures import MOST_FAILED_BATCHES, MOST_FAILED_QUERIES
from dfo_prompt.study.records import Account, read_records
from dfo_prompt.study.search_state import UNKNOWN_WORST

COMPARED = ("journal.jsonl", "validation.jsonl")


def contents(folder):
    return {name: (folder / name).read_bytes() for name in COMPARED}


@pytest.mark.parametrize("budget", [1, 3, 4, 5, 50, 51])
def test_spends_exactly_the_budget(budget):
    objective, optimizer = Bowl(), steps()
    result = study(objective, budget=budget, optimizer=optimizer).run()
    assert result.spent.queries == budget
    assert objective.queries == budget + 1  # and one clean evaluation on the second account
    assert result.validation.queries == 1
    assert result.spent.tokens == 7 * budget


def test_the_cut_batch_is_journaled_but_not_told(tmp_path):
    optimizer = steps()
    study(Bowl(), budget=10, folder=tmp_path, optimizer=optimizer).run()
    assert [len(losses) for _, losses in optimizer.told] == [4, 4]
    assert [record.query for record in read_records(tmp_path)] == list(range(1, 11))


def test_best_and_recommended_and_their_losses():
    result = study(Bowl()).run()
    assert result.best_loss == pytest.approx((result.best**2).sum())
    assert result.recommended_loss == pytest.approx((result.recommended**2).sum())
    assert result.stop_reason == "budget"
    assert result.held_out is None


def test_of_equal_losses_the_first_is_the_best():
    optimizer = steps()
    result = study(Plateau(5.0), optimizer=optimizer).run()
    np.testing.assert_array_equal(result.best, optimizer.told[0][0][1])  # the first query failed


def test_the_recommended_loss_is_without_noise(tmp_path):
    noisy = dp.create_objective("sphere", dim=2, noise=3.0)
    result = study(noisy, folder=tmp_path).run()
    evaluation = noisy.evaluate(result.recommended[None])
    assert (
        result.recommended_loss
        == evaluation.metrics["clean"][0]
        == noisy.objective.evaluate(result.recommended[None]).losses[0]
    )
    (again,) = read_records(tmp_path, Account.VALIDATION)
    assert again.loss == evaluation.losses[0] != result.recommended_loss


class Holed(Bowl):
    """NaN on one half-space, infinite on another."""

    def evaluate(self, candidates):
        losses = super().evaluate(candidates).losses
        losses[candidates[:, 0] > 1.2] = np.nan
        losses[candidates[:, 1] > 1.2] = -np.inf
        return Evaluation(losses=losses)


def test_non_finite_losses_are_journaled_and_never_told(tmp_path):
    optimizer = steps()
    result = study(Holed(), folder=tmp_path, optimizer=optimizer).run()
    records = read_records(tmp_path)
    broken = [record for record in records if record.status == "nonfinite"]
    assert broken
    assert result.failures == len(broken)
    assert all(record.loss is None for record in broken)
    best, worst = np.inf, -np.inf
    for (_, told), start in zip(optimizer.told, range(0, 50, 4), strict=False):
        journaled = [record.loss for record in records[start : start + 4]]
        finite = [loss for loss in journaled if loss is not None]
        best, worst = min([best, *finite]), max([worst, *finite])
        expected = worst if np.isfinite(worst) else UNKNOWN_WORST
        expected = np.nextafter(worst, np.inf) if best == worst else expected
        np.testing.assert_array_equal(told, [expected if loss is None else loss for loss in journaled])


class Plateau(Bowl):
    """One loss everywhere, but NaN at the first query."""

    def __init__(self, height):
        super().__init__()
        self.height = height

    def evaluate(self, candidates):
        losses = np.where((np.arange(len(candidates)) == 0) & (self.queries == 0), np.nan, self.height)
        self.queries += len(candidates)
        return Evaluation(losses=losses)


@pytest.mark.parametrize("height", [5.0, 0.0, -1e300])
def test_a_failure_on_a_plateau_is_told_as_worse(height):
    optimizer = steps()
    result = study(Plateau(height), optimizer=optimizer).run()
    (first, *others), *_ = [told for _, told in optimizer.told]
    assert first > height == max(others)
    assert result.recommended_loss == height


def test_no_infinite_loss_is_told():
    optimizer = steps()
    study(Plateau(np.finfo(float).max), optimizer=optimizer).run()
    assert np.isfinite([told for _, told in optimizer.told]).all()


class Moody(Bowl):
    """Raises on the calls whose numbers it is given."""

    def __init__(self, *bad):
        super().__init__()
        self.bad, self.calls = bad, 0

    def evaluate(self, candidates):
        self.calls += 1
        if self.calls in self.bad:
            raise TimeoutError("the service\nis away")
        return super().evaluate(candidates)


def test_an_objective_that_raises_costs_its_batch_and_the_study_goes_on(tmp_path):
    result = study(Moody(2), folder=tmp_path).run()
    assert result.failures == 4
    assert result.spent.queries == 50
    assert {record.status for record in read_records(tmp_path)} == {"ok", "error: TimeoutError: the service is away"}


def test_an_objective_that_keeps_raising_ends_the_study_and_can_be_mended(tmp_path):
    with pytest.raises(StudyError, match=r"failed 5 batches in a row.*the service is away.*same command"):
        study(Moody(3, 4, 5, 6, 7), folder=tmp_path).run()
    assert len(read_records(tmp_path)) == 4 * 2 + MOST_FAILED_QUERIES
    assert study(Bowl(), folder=tmp_path).run().spent.queries == 50


@pytest.mark.parametrize(
    ("popsize", "batches"), [(1, MOST_FAILED_QUERIES), (10, MOST_FAILED_BATCHES), (30, MOST_FAILED_BATCHES)]
)
def test_a_study_ends_after_enough_failed_batches_and_queries(popsize, batches):
    objective, optimizer = Moody(*range(2, 99)), steps(popsize=popsize)
    with pytest.raises(StudyError, match=f"failed {batches} batches in a row"):
        study(objective, budget=200, optimizer=optimizer).run()
    assert objective.calls == 1 + batches


def test_an_optimizer_that_repeats_itself_is_not_evaluated_on_dev_again(tmp_path):
    class Idle(Steps):
        def ask(self):
            return self.x0[None]

        def recommend(self):
            return self._rng.standard_normal(self.dim)

    idle = Idle(dim=3, seed=1, budget=50, popsize=1, sigma=1.0, x0=np.ones(3))
    study(HeldOutBowl(), folder=tmp_path, optimizer=idle, validate_every=5).run()
    looks = [record for record in read_records(tmp_path, Account.VALIDATION) if record.split == "dev"]
    assert [(record.query, record.role) for record in looks][1:] == [(5, "best"), (5, "recommended"), (50, "recommended")]


def test_an_objective_that_fails_to_hear_of_an_evaluation_is_named():
    class Deaf(Bowl):
        def expect(self, account, first):
            raise ValueError(f"no {account} {first}")

    with pytest.raises(PluginError, match="objective 'bowl' failed in expect: ValueError: no queries 1"):
        study(Deaf()).run()


def test_a_study_in_which_every_query_failed_has_no_result(tmp_path):
    with pytest.raises(StudyError, match=r"every query of objective 'bowl' failed.*the service is away.*new folder"):
        study(Moody(1, 2), budget=8, folder=tmp_path).run()
    assert len(read_records(tmp_path)) == 8


def test_a_look_at_held_out_data_that_fails_is_made_again(tmp_path):
    class Blind(HeldOutBowl):
        def validate(self, candidates, split):
            if split == "test" and not (candidates == 9.0).all():
                raise MemoryError("too large")
            return super().validate(candidates, split)

    with pytest.raises(StudyError, match=r"scoring the \w+ candidate on test failed with.*too large.*same command"):
        study(Blind(), folder=tmp_path).run()
    mended = HeldOutBowl()
    result = study(mended, folder=tmp_path).run()
    assert mended.queries == 0
    assert result.held_out.test_metric is not None
    assert result.validation.repeated == 1


class Kill(BaseException):
    """Not an Exception, like a signal."""


class Mortal(HeldOutBowl):
    """Dies in the middle of its nth evaluation, whichever account it is on."""

    def __init__(self, lives):
        super().__init__()
        self.lives = lives

    def _age(self):
        self.lives -= 1
        if not self.lives:
            raise Kill

    def evaluate(self, candidates):
        self._age()
        return super().evaluate(candidates)

    def validate(self, candidates, split):
        self._age()
        return super().validate(candidates, split)


@pytest.mark.parametrize("lives", range(1, 22))
def test_killed_anywhere_it_continues_to_the_same_journal(tmp_path, lives):
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    unbroken.mkdir()
    broken.mkdir()
    expected = study(HeldOutBowl(), folder=unbroken, validate_every=10).run()
    with pytest.raises(Kill):  # 21 evaluations in all: 13 batches and 8 on the second account
        study(Mortal(lives), folder=broken, validate_every=10).run()
    objective = HeldOutBowl()
    result = study(objective, folder=broken, validate_every=10).run()
    assert contents(broken) == contents(unbroken)
    np.testing.assert_array_equal(result.chosen, expected.chosen)
    assert result.held_out == expected.held_out
    assert result.spent.queries == 50
    assert result.spent.repeated <= 4


@pytest.mark.parametrize("cut", [1, 30, 150, 777, 2000])
def test_a_torn_file_is_taken_up_at_the_last_whole_batch(tmp_path, cut):
    study(Bowl(), folder=tmp_path).run()
    expected = contents(tmp_path)
    for name in (*COMPARED, "ledger.jsonl"):
        raw = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(raw[: max(0, len(raw) - cut)])
    study(Bowl(), folder=tmp_path).run()
    assert contents(tmp_path) == expected


def test_a_finished_study_repeats_without_a_query(tmp_path):
    first = study(HeldOutBowl(), folder=tmp_path, validate_every=10).run()
    objective = HeldOutBowl()
    again = study(objective, folder=tmp_path, validate_every=10).run()
    assert objective.queries == 0
    assert again.held_out == first.held_out
    assert again.spent == first.spent


def test_another_optimizer_on_the_same_journal_is_refused(tmp_path):
    study(Bowl(), budget=20, folder=tmp_path).run()
    with pytest.raises(StudyError, match="query 1 the optimizer now proposes another candidate"):
        study(Bowl(), folder=tmp_path, optimizer=steps(seed=2)).run()


def test_dev_chooses_test_reports_and_manual_stands_beside():
    result = study(HeldOutBowl(), validate_every=10).run()
    held_out = result.held_out
    assert held_out is not None
    assert held_out.dev_metric == pytest.approx(-((result.chosen - 1) ** 2).sum())
    assert held_out.test_metric == pytest.approx(-(result.chosen**2).sum())
    assert held_out.manual_test_metric == pytest.approx(-243.0)
    assert held_out.dev_metric >= -((result.best - 1) ** 2).sum()
    # dev and test never touch the first account
    assert result.spent.rows == 50
    assert result.validation.queries > 4


@pytest.mark.parametrize(("loss", "query"), [(lambda z: (z**2).sum(axis=1), 50), (lambda z: np.ones(len(z)), 8)])
def test_of_equal_dev_metrics_the_smaller_dev_loss_is_chosen_and_then_the_earlier_query(loss, query):
    class Tied(HeldOutBowl):
        def validate(self, candidates, split):
            return Evaluation(losses=loss(candidates), metrics={"nearness": np.ones(len(candidates))})

    result = study(Tied(), validate_every=8).run()
    assert result.held_out.role == "best"
    assert (result.held_out.query == 8) == (query == 8)
    assert (result.chosen == result.best).all() == (query == 50)


@pytest.mark.parametrize(
    ("method", "answer", "message"),
    [
        ("ask", np.zeros((4, 2)), r"'steps' asked for candidates of shape \(4, 2\), not \(B, 3\)"),
        ("ask", np.zeros((0, 3)), r"shape \(0, 3\)"),
        ("ask", np.full((4, 3), np.nan), "not finite"),
        ("ask", [[0, 9.0, 8.0]], r"'steps' proposes 9.0 in coordinate 2, outside the bounds \[-5.0, 5.0\]"),
        ("recommend", np.zeros(2), r"recommends shape \(2,\)"),
        ("recommend", np.full(3, np.inf), "not finite"),
        ("recommend", (np.zeros(3), 1.0), r"failed in recommend: ValueError: it must return \(d,\) numbers"),
    ],
)
def test_an_optimizer_that_breaks_its_contract_is_named(monkeypatch, method, answer, message):
    optimizer = steps(bounds=(-5.0, 5.0))
    monkeypatch.setattr(optimizer, method, lambda: answer)
    with pytest.raises(PluginError, match=message):
        study(Bowl(), optimizer=optimizer).run()


def test_an_optimizer_cannot_move_its_bounds_in_silence():
    low, high = np.full(3, -1.0), np.full(3, 2.0)
    optimizer = steps(bounds=(low, high))
    with pytest.raises(ValueError, match="read-only"):
        optimizer.bounds[1][0] = 9.0
    low[:], high[:] = -9.0, 9.0  # the caller's arrays are not the optimizer's
    assert [side.tolist() for side in optimizer.bounds] == [[-1.0] * 3, [2.0] * 3]
    optimizer.bounds = low, high

    def ask():
        high[0] = 99.0
        return np.full((4, 3), [98.0, 0.0, 0.0])

    optimizer.ask = ask  # type: ignore[method-assign]
    with pytest.raises(PluginError, match="'steps' changed its bounds; leave self.bounds as it is"):
        study(Bowl(), optimizer=optimizer).run()


def test_an_optimizer_that_raises_is_named_and_loses_nothing(tmp_path, monkeypatch):
    optimizer = steps()
    monkeypatch.setattr(optimizer, "tell", lambda *_: 1 / 0)
    with pytest.raises(PluginError, match="'steps' failed in tell: ZeroDivisionError"):
        study(Bowl(), folder=tmp_path, optimizer=optimizer).run()
    assert len(read_records(tmp_path)) == 4


def test_an_optimizer_that_scribbles_on_its_arguments_harms_only_itself(tmp_path):
    optimizer = steps()
    tell = optimizer.tell

    def scribble(candidates, losses):
        tell(candidates.copy(), losses.copy())
        candidates[:] = losses[:] = 0

    optimizer.tell = scribble  # type: ignore[method-assign]
    plain, scribbled = tmp_path / "plain", tmp_path / "scribbled"
    for folder, chosen in ((plain, None), (scribbled, optimizer)):
        folder.mkdir()
        study(Bowl(), folder=folder, optimizer=chosen).run()
    assert contents(plain) == contents(scribbled)


@pytest.mark.parametrize("method", ["evaluate", "validate"])
def test_an_objective_that_scribbles_on_its_candidates_changes_nothing(method):
    class Scribbling(HeldOutBowl):
        pass

    def scribble(self, candidates, *split):
        found = getattr(HeldOutBowl, method)(self, candidates, *split)
        candidates[:] = 0.0
        return found

    setattr(Scribbling, method, scribble)
    found, plain = study(Scribbling()).run(), study(HeldOutBowl()).run()
    np.testing.assert_array_equal([found.best, found.chosen], [plain.best, plain.chosen])


class Watch:
    def __init__(self, fail=False):
        self.events, self.fail = [], fail

    def study_started(self, info):
        self.events.append(info.budget)

    def batch_evaluated(self, batch):
        self.events.append((batch.queries, batch.remaining, batch.recalled))
        if self.fail:
            raise ValueError("no screen")

    def study_finished(self, result):
        self.events.append(result.spent.queries)


def test_observers_see_every_batch_and_which_were_recalled(tmp_path):
    study(Bowl(), budget=8, folder=tmp_path).run()
    watch = Watch()
    study(Bowl(), budget=10, folder=tmp_path, observers=[watch]).run()
    assert watch.events == [10, (4, 6, True), (8, 2, True), (10, 0, False), 10]


def test_a_subclass_of_observer_defines_only_the_methods_that_it_needs():
    class Queries(dp.Observer):
        def batch_evaluated(self, batch):
            self.last = batch.queries

    observer = Queries()
    study(Bowl(), budget=8, observers=[observer]).run()
    assert observer.last == 8


def test_a_broken_observer_is_dropped_with_a_warning():
    broken, sound = Watch(fail=True), Watch()
    with pytest.warns(RuntimeWarning, match="Watch failed and is dropped: ValueError: no screen"):
        study(Bowl(), observers=[broken, sound]).run()
    assert len(broken.events) == 2
    assert len(sound.events) == 15


def test_an_objective_with_the_wrong_number_of_losses_is_refused(monkeypatch):
    objective = Bowl()
    monkeypatch.setattr(objective, "evaluate", lambda z: Evaluation(losses=np.zeros(1)))
    with pytest.raises(PluginError, match=r"losses of shape \(1,\), not \(4,\)"):
        study(objective).run()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (np.zeros(4), "gave a ndarray, not an Evaluation"),
        (Evaluation(losses=np.zeros(4), metrics={"norm": np.zeros(3)}), r"gave norm of shape \(3,\), not \(4,\)"),
        (Evaluation(losses=np.array(["low"] * 4)), "gave losses of type <U3, not numbers"),
    ],
)
def test_an_objective_that_breaks_its_contract_is_named(answer, said):
    objective = Bowl()
    objective.evaluate = lambda _: answer
    with pytest.raises(PluginError, match=said):
        study(objective).run()


def test_costs_may_be_numbers_of_numpy(tmp_path):
    objective = Bowl()
    objective.evaluate = lambda z: Evaluation(losses=(z**2).sum(axis=1), usage=Usage(tokens=np.int64(len(z))))
    assert study(objective, folder=tmp_path).run().spent.tokens == 50


@pytest.mark.parametrize("limit", [100, 500, 901, 1500, 3000])
def test_a_full_disk_loses_nothing(tmp_path, limit):
    resource = pytest.importorskip("resource")
    full, roomy = tmp_path / "full", tmp_path / "roomy"
    full.mkdir()
    roomy.mkdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(StudyError, match="make room"):
            study(Bowl(), folder=full).run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    study(Bowl(), folder=full).run()
    study(Bowl(), folder=roomy).run()
    assert contents(full) == contents(roomy)


def test_optimizer_and_objective_seconds_are_apart(monkeypatch):
    clock = [0.0]
    for module in ("checked_optimizer", "attempt"):
        monkeypatch.setattr(f"dfo_prompt.study.{module}.perf_counter", lambda: clock[0])

    class SlowBowl(Bowl):
        def evaluate(self, candidates):
            clock[0] += 2.0
            return super().evaluate(candidates)

    class SlowSteps(Steps):
        def tell(self, candidates, losses):
            clock[0] += 1.0
            super().tell(candidates, losses)

    optimizer = SlowSteps(dim=3, seed=1, budget=40, popsize=4, sigma=0.5, x0=np.ones(3))
    spent = study(SlowBowl(), optimizer=optimizer, budget=40).run().spent
    assert (spent.optimizer_seconds, spent.objective_seconds) == (10.0, 20.0)


def test_optimizer_seconds_are_those_of_queries_and_not_counted_twice(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("dfo_prompt.study.checked_optimizer.perf_counter", lambda: clock[0])

    class Slow(Steps):
        def tell(self, candidates, losses):
            clock[0] += 1.0
            super().tell(candidates, losses)

    def run(objective):
        optimizer = Slow(dim=3, seed=1, budget=40, popsize=4, sigma=0.5, x0=np.ones(3))
        return study(objective, folder=tmp_path, optimizer=optimizer, budget=40, validate_every=4).run()

    for lives in (9, 9):
        with pytest.raises(Kill):
            run(Mortal(lives))
    result = run(HeldOutBowl())
    assert result.spent.optimizer_seconds == 10 - 2  # a kill takes with it what came after the last query
    assert result.validation.optimizer_seconds == 0
    assert run(HeldOutBowl()).spent == result.spent


def test_the_last_seconds_of_an_optimizer_stay_charged_where_the_journal_was_cut(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("dfo_prompt.study.checked_optimizer.perf_counter", lambda: clock[0])

    class Slow(Steps):
        def recommend(self):  # after the last query
            clock[0] += 1.0
            return super().recommend()

    def seconds():
        optimizer = Slow(dim=3, seed=1, budget=50, popsize=4, sigma=0.5, x0=np.ones(3))
        return study(Bowl(), folder=tmp_path, optimizer=optimizer).run().spent.optimizer_seconds

    once = seconds()
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:48]))
    assert read_spent(tmp_path).optimizer_seconds == once > 0
    again = seconds()
    assert read_spent(tmp_path).optimizer_seconds == again > once


class Twice(Steps):
    """Asks for each candidate twice, and for one of them ever again."""

    def ask(self):
        fresh = super().ask()
        return np.concatenate([fresh, fresh[:2], np.ones((1, self.dim))])


def test_a_candidate_asked_for_again_is_charged_and_answered_from_the_journal(tmp_path):
    optimizer = Twice(dim=3, seed=1, budget=50, popsize=4, sigma=0.5, x0=np.ones(3))
    objective = Bowl()
    result = study(objective, optimizer=optimizer, budget=28, folder=tmp_path).run()
    assert result.spent.queries == 28
    records = read_records(tmp_path)
    assert [record.query for record in records] == list(range(1, 29))
    assert objective.queries == len({record.candidate for record in records}) + 1 == 18  # and the recommended one again
    assert result.spent.rows == 17
    losses = {record.candidate: record.loss for record in records}
    assert all(record.loss == losses[record.candidate] for record in records)


def test_it_is_answered_from_what_an_earlier_run_journaled(tmp_path):
    def run(objective, budget):
        optimizer = Twice(dim=3, seed=1, budget=50, popsize=4, sigma=0.5, x0=np.ones(3))
        study(objective, optimizer=optimizer, budget=budget, folder=tmp_path).run()
        return (tmp_path / "journal.jsonl").read_bytes()

    whole = run(Bowl(), 28)
    (tmp_path / "journal.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:14]))
    again = Bowl()
    assert run(again, 28) == whole
    assert again.queries == 8


def test_a_candidate_that_failed_is_tried_again():
    class Flaky(Bowl):
        def evaluate(self, candidates):
            if not self.queries:
                self.queries += len(candidates)
                raise OSError("away")
            return super().evaluate(candidates)

    class Same(Steps):
        def ask(self):
            return np.ones((1, self.dim))

    objective = Flaky()
    optimizer = Same(dim=3, seed=1, budget=3, popsize=1, sigma=0.5, x0=np.ones(3))
    result = study(objective, optimizer=optimizer, budget=3).run()
    assert (result.failures, result.best_loss) == (1, 3.0)
    assert objective.queries == 1 + 1 + 1  # failed, answered once for two queries, and the recommended one
