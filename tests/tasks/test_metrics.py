import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dfo_prompt.errors import UnknownNameError
from dfo_prompt.tasks.metrics import accuracy, f1, macro_f1, score

METRICS = {"accuracy": accuracy, "f1": f1, "macro_f1": macro_f1}

LABELS = np.array([1, 1, 1, 0, 0, 0, 0, 0])
GUESSES = np.array([[1, 1, 0, 1, 0, 0, 0, 0], [0] * 8, [1] * 8, [1, 1, 1, 0, 0, 0, 0, 0]])  # (B, N)


def test_known_answers() -> None:
    np.testing.assert_allclose(accuracy(GUESSES, LABELS), [6 / 8, 5 / 8, 3 / 8, 1])
    np.testing.assert_allclose(f1(GUESSES, LABELS), [4 / 6, 0, 6 / 11, 1])
    np.testing.assert_allclose(macro_f1(GUESSES, LABELS), [(4 / 6 + 8 / 10) / 2, 10 / 13 / 2, 6 / 11 / 2, 1])


def test_three_classes_of_which_one_is_never_seen() -> None:
    # Class 1 is neither present nor predicted, and does not count; class 3 is predicted only, and counts as 0.
    found = macro_f1(np.array([[0, 0, 2, 3]]), np.array([0, 2, 2, 2]))
    np.testing.assert_allclose(found, [(2 / 3 + 2 / 4 + 0) / 3])


def test_f1_without_positives_is_zero() -> None:
    assert f1(np.zeros((2, 3), dtype=int), np.zeros(3, dtype=int)).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("predictions", "labels", "expected"),
    [  # accuracy, F1 of class 1, mean F1 of the classes present or predicted
        ([0, 0, 0], [0, 0, 0], (1, 0, 1)),
        ([1, 1, 1], [1, 1, 1], (1, 1, 1)),
        ([1, 1, 1], [0, 0, 0], (0, 0, 0)),
        ([0, 0, 0], [1, 1, 1], (0, 0, 0)),
        ([0, 0, 0], [0, 1, 1], (1 / 3, 0, 1 / 4)),
        ([2, 2, 2], [0, 1, 2], (1 / 3, 0, 1 / 6)),
        ([0, 2, 0], [0, 2, 0], (1, 0, 1)),
        ([1], [1], (1, 1, 1)),
    ],
)
def test_constant_and_missing_classes(
    predictions: list[int], labels: list[int], expected: tuple[float, float, float]
) -> None:
    for dtype in (np.int64, np.int32, np.uint8):
        arguments = np.array([predictions], dtype=dtype), np.array(labels, dtype=dtype)
        for name, value in zip(("accuracy", "f1", "macro_f1"), expected, strict=True):
            np.testing.assert_allclose(METRICS[name](*arguments), [value])


@settings(max_examples=30)
@given(arrays(np.int64, (2, 9), elements=st.integers(0, 3)), arrays(np.int64, 9, elements=st.integers(0, 3)))
def test_metrics_are_those_of_scikit_learn(predictions: np.ndarray, labels: np.ndarray) -> None:
    reference = pytest.importorskip("sklearn.metrics")
    for row, found in zip(predictions, macro_f1(predictions, labels), strict=True):
        assert found == pytest.approx(reference.f1_score(labels, row, average="macro"))
    for row, found in zip(predictions == 1, f1(predictions, labels), strict=True):
        assert found == pytest.approx(reference.f1_score(labels == 1, row, zero_division=0))


@given(arrays(np.int64, (3, 7), elements=st.integers(0, 2)), arrays(np.int64, 7, elements=st.integers(0, 2)))
def test_between_zero_and_one_and_a_row_at_a_time(predictions: np.ndarray, labels: np.ndarray) -> None:
    for metric in METRICS:
        scores = score(metric, predictions, labels)
        assert scores.shape == (3,)
        assert scores.dtype == np.float64
        assert ((scores >= 0) & (scores <= 1)).all()
        assert scores[1] == score(metric, predictions[1:2], labels)[0]
        assert score(metric, labels[None], labels)[0] == (1 if metric != "f1" or 1 in labels else 0)


def test_an_unknown_metric_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="unknown metric 'acuracy'; did you mean 'accuracy'"):
        score("acuracy", GUESSES, LABELS)
