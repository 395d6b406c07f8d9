"""Label words of several tokens, scored token by token."""

import numpy as np
import pytest

from dfo_prompt.contracts.endpoint import Capabilities, Form, Label, Scores
from dfo_prompt.contracts.usage import Usage, UsageMeter
from dfo_prompt.endpoints.words import WordScorer, distinct
from dfo_prompt.errors import InputError


class Counting:
    """Scores a token by its id, and keeps the requests."""

    def __init__(self):
        self.asked = []

    def score(self, rows, labels):
        self.asked.append((list(rows), [label.token for label in labels]))
        logs = np.array([[-float(label.token) for label in labels]] * len(rows))
        return Scores(logs=logs, bounds=logs < -100, usage=Usage(requests=1, rows=len(rows)))

    def estimate(self, rows):
        return Usage(requests=1, rows=len(rows))

    def describe(self):
        return {"kind": "counting"}


def test_words_that_begin_with_the_same_token_ask_for_it_once():
    words = (
        (Label(text="a", token=7), Label(text="", token=3)),
        (Label(text="b", token=7), Label(text="", token=200)),
        (Label(text="c", token=9),),
    )
    endpoint, meter = Counting(), UsageMeter()
    scorer = WordScorer(endpoint, Capabilities(forms=frozenset({Form.TEXT}), exact=False), words)

    def rows(word, count):
        return [f"{text}{word if count else ''}{count}" for text in ("x", "y")]

    scores, bounded = scorer.scores(rows, meter)
    assert [tokens for _, tokens in endpoint.asked] == [[7, 9], [3], [200]]
    assert [asked for asked, _ in endpoint.asked] == [["x0", "y0"], ["x01", "y01"], ["x11", "y11"]]
    np.testing.assert_array_equal(scores, [[-10.0, -207.0, -9.0]] * 2)
    assert bounded == 2
    assert meter.total == scorer.estimate(rows) == Usage(requests=3, rows=6)


@pytest.mark.parametrize(
    ("lacks", "said"), [({"normalised": True}, "compares"), ({"continues": False}, "replies to a text")]
)
def test_words_of_several_tokens_are_refused_where_only_the_first_can_be_scored(lacks, said):
    can = Capabilities(forms=frozenset({Form.TEXT}), exact=False, **lacks)
    short, long = (Label(text=" good", token=1),), (Label(text=" un", token=2), Label(text="fair", token=3))
    assert WordScorer(Counting(), can, (short,)).scores(lambda *_: ["x"], UsageMeter())[0].tolist() == [[-1.0]]
    with pytest.raises(InputError, match=f"endpoint 'counting' {said}.* of one token only, and 'unfair' has 2; change"):
        WordScorer(Counting(), can, (short, long))


def test_labels_without_ids_are_told_apart_by_their_texts():
    labels = [Label(text="a"), Label(text="b"), Label(text="a")]
    assert distinct(labels) == labels[:2]
