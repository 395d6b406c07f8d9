from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfo_prompt.errors import DataError, InputError
from dfo_prompt.tasks.examples import Example, Splits
from dfo_prompt.tasks.row_counts import ReadReport, SourceRows
from dfo_prompt.tasks.sampling import FewShot, sample
from dfo_prompt.tasks.task import Task

TASK = Task(name="toy", summary="", template="{text} {answer}", labels={"a": "A", "b": "B", "c": "C"})


def pool(per_class: int, *, prefix: str = "") -> tuple[Example, ...]:
    return tuple(Example(texts=(f"{prefix}{label}-{i}",), label=label) for i in range(per_class) for label in range(3))


def texts(examples: tuple[Example, ...]) -> set[tuple[str, ...]]:
    return {example.texts for example in examples}


def check(split: FewShot, shots: int) -> None:
    assert Counter(example.label for example in split.train) == dict.fromkeys(range(3), shots)
    assert Counter(example.label for example in split.dev) == dict.fromkeys(range(3), shots)
    assert not texts(split.train) & texts(split.dev)
    assert not (texts(split.train) | texts(split.dev)) & texts(split.test)


@given(shots=st.integers(1, 5), extra=st.integers(1, 4), seed=st.integers(0, 2**32), data=st.data())
def test_k_a_class_disjoint_and_whatever_the_order(shots: int, extra: int, seed: int, data: st.DataObject) -> None:
    examples = pool(2 * shots + extra)
    split = sample(TASK, Splits(train=examples), shots=shots, seed=seed)
    check(split, shots)
    assert len(split.train) + len(split.dev) + len(split.test) == len(examples)
    mixed = tuple(data.draw(st.permutations(examples)))
    again = sample(TASK, Splits(train=mixed), shots=shots, seed=seed)
    assert again == split
    assert again.fingerprint == split.fingerprint


@given(seed=st.integers(0, 2**32))
def test_the_order_of_the_classes_changes_no_text(seed: int) -> None:
    turned = replace(TASK, labels=dict(reversed(TASK.labels.items())))
    relabelled = tuple(replace(example, label=2 - example.label) for example in pool(5))
    one = sample(TASK, Splits(train=pool(5)), shots=2, seed=seed)
    other = sample(turned, Splits(train=relabelled), shots=2, seed=seed)
    assert [example.texts for example in one.train] == [example.texts for example in other.train]
    assert [example.texts for example in one.test] == [example.texts for example in other.test]


@given(seed=st.integers(0, 2**32), limit=st.integers(1, 20))
def test_a_given_test_split_is_capped_and_unseen(seed: int, limit: int) -> None:
    own = pool(3, prefix="test ")
    splits = Splits(train=pool(4), test=(*own, *pool(4)[:6]))
    split = sample(TASK, splits, shots=2, seed=seed, test_examples=limit)
    check(split, 2)
    whole = sample(TASK, splits, shots=2, seed=seed)
    assert texts(own) <= texts(whole.test)
    assert split.test == whole.test[:limit]


def test_fewer_shots_are_a_subset() -> None:
    few, many = (sample(TASK, Splits(train=pool(20)), shots=shots, seed=3) for shots in (2, 8))
    assert texts(few.train) <= texts(many.train)


def test_seeds_and_labels_change_the_fingerprint() -> None:
    splits = Splits(train=pool(10))
    assert len({sample(TASK, splits, shots=2, seed=seed).fingerprint for seed in range(10)}) == 10
    split = sample(TASK, splits, shots=2, seed=0)
    flipped = replace(split, train=(replace(split.train[0], label=2 - split.train[0].label or 1), *split.train[1:]))
    assert flipped.fingerprint != split.fingerprint


def test_the_fingerprint_never_changes() -> None:
    split = FewShot(train=pool(1), dev=pool(1, prefix="dev "), test=pool(2, prefix="é{"))
    assert split.fingerprint == "06bc5e5b1f822fa7e233e1e23cb1470fbf6b61a4b00a112a4aa743e2c219bafc"


def test_copies_count_once_and_contradictions_not_at_all() -> None:
    copies = (*pool(3), *pool(3), Example(texts=("0-0",), label=1))
    split = sample(TASK, Splits(train=copies), shots=1, seed=0)
    drawn = [example.texts for part in (split.train, split.dev, split.test) for example in part]
    assert len(drawn) == len(set(drawn)) == 8
    assert ("0-0",) not in drawn


def test_what_sampling_leaves_out_is_counted() -> None:
    copies = (*pool(4), *pool(1), Example(texts=("0-3",), label=1))
    test = (*pool(2, prefix="test "), *pool(4))
    report = ReadReport(
        train=SourceRows(source="a.csv", read=len(copies), skipped={"labelled '-'": 5}),
        test=SourceRows(source="b.csv", read=len(test)),
    )
    split = sample(TASK, Splits(train=copies, test=test, report=report), shots=1, seed=0, test_examples=2)
    assert split.report is not None
    assert split.report.describe() == {
        "train": {
            "source": "a.csv",
            "rows": 21,
            "read": 11,
            "skipped": {"labelled '-'": 5, "copies": 3, "with two labels": 2},
        },
        "test": {"source": "b.csv", "rows": 18, "read": 12, "skipped": {"drawn to train or dev": 6}},
    }
    assert str(split.report) == (
        "train on 11 of 21 rows of a.csv (skipped: 5 labelled '-', 3 copies, 2 with two labels);"
        " test on 12 of 18 rows of b.csv (skipped: 6 drawn to train or dev)"
    )


@pytest.mark.parametrize(("per_class", "shots", "need"), [(3, 4, 8), (7, 4, 8)])
def test_a_small_class_is_named(per_class: int, shots: int, need: int) -> None:
    examples = tuple(example for example in pool(9) if example.label != 1 or int(example.texts[0][2:]) < per_class)
    with pytest.raises(DataError) as caught:
        sample(TASK, Splits(train=examples), shots=shots, seed=0)
    assert str(caught.value) == (
        f"task 'toy': class 'b' has {per_class} distinct examples to draw from;"
        f" {shots} shots need {need}, half of them for dev; add examples, or lower shots"
    )


def test_nothing_left_to_test_on() -> None:
    with pytest.raises(DataError, match="task 'toy': no example is left to test on"):
        sample(TASK, Splits(train=pool(4)), shots=2, seed=0)


@pytest.mark.parametrize(("shots", "limit"), [(0, None), (-1, 5), (1, 0), (1, -2)])
def test_numbers_below_one(shots: int, limit: int | None) -> None:
    with pytest.raises(InputError, match=f"shots and test_examples must be at least 1, not {shots} and {limit}"):
        sample(TASK, Splits(train=pool(4)), shots=shots, seed=0, test_examples=limit)
