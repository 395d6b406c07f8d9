import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.study.budget import Budget
from dfo_prompt.study.candidates import candidate_hash
from dfo_prompt.study.costs import Spent
from dfo_prompt.study.journal import Journal
from dfo_prompt.study.ledger import Ledger
from dfo_prompt.study.records import Account, Record, read_records


def charge(ledger, batch):
    ledger.reserve(len(batch))
    first = ledger.budget.queries - ledger.remaining + 1
    records = [Record(query=first + i, candidate=candidate_hash(z), loss=float(z.sum())) for i, z in enumerate(batch)]
    return ledger.record(records, costs=Spent(rows=2 * len(batch), objective_seconds=0.5))


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(1, 40))
def test_never_overspends_and_counts_every_query(sizes, budget):
    ledger = Ledger(Budget(queries=budget))
    done = 0
    for size in sizes:
        if size > ledger.remaining:
            with pytest.raises(StudyError, match=f"{ledger.remaining} left of {budget}"):
                ledger.reserve(size)
        else:
            charge(ledger, np.ones((size, 2)))
            done += size
        assert ledger.remaining == budget - done
    assert ledger.spent().queries == done
    assert ledger.spent().rows == 2 * done


def test_more_outcomes_than_the_budget_are_not_recorded():
    ledger = Ledger(Budget(queries=2))
    records = [Record(query=n, candidate="0" * 16, loss=0.0) for n in (1, 2, 3)]
    ledger.reserve(2)
    with pytest.raises(StudyError, match="^3 queries to record, 2 left of 2$"):
        ledger.record(records, costs=Spent())
    assert (ledger.queries, ledger.remaining) == (0, 2)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.data())
def test_a_reopened_ledger_recalls_what_was_journaled(tmp_path_factory, sizes, data):
    folder = tmp_path_factory.mktemp("ledger")
    batches = [np.full((size, 2), float(i)) for i, size in enumerate(sizes)]
    budget = Budget(queries=sum(sizes))
    first = Ledger(budget, folder)
    recorded = [charge(first, batch) for batch in batches]
    whole = (folder / "journal.jsonl").read_bytes()
    (folder / "journal.jsonl").write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    again = Ledger(budget, folder)
    for batch, records in zip(batches, recorded, strict=True):
        past = again.recall(batch)
        assert past is None or past.records == records
        if past is None:
            charge(again, batch)
    assert (folder / "journal.jsonl").read_bytes() == whole
    assert again.spent().queries == sum(sizes)
    assert again.spent().rows == 2 * sum(sizes)
    assert again.spent().objective_seconds == 0.5 * len(sizes)


def test_a_reservation_without_outcome_is_counted_as_repeated(tmp_path):
    Ledger(Budget(queries=10), tmp_path).reserve(4)
    ledger = Ledger(Budget(queries=10), tmp_path)
    assert ledger.remaining == 10
    charge(ledger, np.ones((4, 2)))
    assert ledger.spent().queries == 4
    assert ledger.spent().repeated == 4


def test_the_second_account_leaves_the_budget_alone(tmp_path):
    ledger = Ledger(Budget(queries=3), tmp_path)
    for _ in range(5):
        ledger.reserve(1, Account.VALIDATION)
        ledger.record([Record(query=0, candidate="", split="dev", role="baseline", loss=1.0)], costs=Spent())
    assert ledger.remaining == 3
    assert ledger.spent(Account.VALIDATION).queries == 5
    assert len(read_records(tmp_path, Account.VALIDATION)) == 5
    assert read_records(tmp_path) == []


@pytest.mark.parametrize("queries", [0, -1])
def test_a_budget_is_at_least_one_query(queries):
    with pytest.raises(InputError, match=f"at least 1 query, not {queries}"):
        Budget(queries=queries)


def test_a_journal_line_has_no_time_and_no_nan(tmp_path):
    charge(Ledger(Budget(queries=1), tmp_path), np.array([[1.0, 2.0]]))
    line = (tmp_path / "journal.jsonl").read_text()
    z = candidate_hash(np.array([1.0, 2.0]))
    assert line == f'{{"query": 1, "candidate": "{z}", "status": "ok", "loss": 3.0, "metrics": {{}}}}\n'


def test_a_damaged_journal_is_one_line(tmp_path):
    (tmp_path / "journal.jsonl").write_text("{not json}\n")
    with pytest.raises(StudyError, match="journal.jsonl, line 1, is damaged: Expecting property name .* column 2; move"):
        Ledger(Budget(queries=1), tmp_path)


@settings(max_examples=50)
@given(
    st.lists(st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False) | st.text())), st.integers(0, 400)
)
def test_a_journal_cut_anywhere_gives_back_whole_lines_only(tmp_path_factory, lines, cut):
    path = tmp_path_factory.mktemp("journal") / "lines.jsonl"
    Journal(path).append(lines)
    raw = path.read_bytes()
    path.write_bytes(raw[:cut])
    journal = Journal(path)
    kept = []
    while line := journal.take(1):
        kept += line
    assert kept == lines[: len(kept)]
    journal.append(lines[len(kept) :])
    assert path.read_bytes() == raw


def test_taking_more_than_is_left_takes_nothing(tmp_path):
    Journal(tmp_path / "lines").append([{"a": 1}, {"a": 2}])
    journal = Journal(tmp_path / "lines")
    assert journal.take(3) is None
    assert journal.take(2) == [{"a": 1}, {"a": 2}]


def test_equal_candidates_hash_alike_whatever_their_memory():
    z = np.arange(6.0).reshape(2, 3)
    assert candidate_hash(z[:, 1]) == candidate_hash(np.array([1.0, 4.0]))
    assert candidate_hash(z[0]) != candidate_hash(z[1])


ENDS = st.sampled_from(("settled", "lost", "cut off", "torn"))
AMOUNTS = st.builds(Usage, tokens=st.integers(0, 9), nanodollars=st.integers(0, 9))


@given(st.lists(st.tuples(st.integers(1, 3), AMOUNTS, AMOUNTS, ENDS), max_size=15), st.integers(5, 60), st.integers(5, 60))
def test_whatever_fails_or_is_cut_off_nothing_is_overspent_and_nothing_is_lost(tmp_path_factory, batches, tokens, money):
    folder = tmp_path_factory.mktemp("limits")
    budget = Budget(queries=100, limits={"tokens": tokens, "nanodollars": money})
    ledger, spent, done = Ledger(budget, folder), Usage(), 0
    for count, used, spare, end in batches:
        most, batch = used + spare, np.full((count, 2), float(done))
        unsettled = {"tokens": most.tokens, "nanodollars": most.nanodollars}
        if name := budget.binding(spent + most):
            assert ledger.binding(most) == name
            with pytest.raises(StudyError, match=f"{name} asked for"):
                ledger.reserve(count, candidates=batch, most=most, unsettled=unsettled)
            continue
        ledger.reserve(count, candidates=batch, most=most, unsettled=unsettled)
        if end == "lost":
            ledger.lose(Account.QUERIES, Spent.of(used))
        elif end != "cut off":
            records = [Record(query=done + i + 1, candidate=candidate_hash(z), loss=0.0) for i, z in enumerate(batch)]
            ledger.record(records, costs=Spent.of(used))
        spent += most if end == "cut off" else used
        done += count * (end == "settled")
        if end == "torn":  # the costs were written, and the last line of the journal was not
            journal = folder / "journal.jsonl"
            journal.write_bytes(journal.read_bytes()[:-5])
        if end in ("cut off", "torn"):
            ledger = Ledger(budget, folder)
            for query in range(done):
                row = np.fromfile(folder / "candidates.f64")[2 * query : 2 * query + 2]
                assert len(ledger.recall(row[None]).records) == 1
            assert ledger.recall(np.zeros((1, 2))) is None
        for found in (ledger, Ledger(budget, folder)):
            assert (found.spent().tokens, found.spent().nanodollars) == (spent.tokens, spent.nanodollars)
        assert ledger.queries == done
    assert not budget.binding(spent)
