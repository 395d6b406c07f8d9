"""The local engine behind the endpoint contract."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dfo_prompt.contracts.endpoint import Endpoint, Form, Label
from dfo_prompt.errors import InputError, ModelError
from dfo_prompt.lm.grouping import group_rows
from dfo_prompt.lm.local import LocalEndpoint
from dfo_prompt.testing.tiny import WORDS, tiny_lm

ROWS = ["the film was very dull :", "the film was great :", "the film was", "bad bad", "a long story and a plot :"]
LABELS = [Label(text=" bad", token=5), Label(text=" good", token=6), Label(text=" film", token=7)]


def alone(lm, ids):
    """Log-probabilities of the whole vocabulary after one row, by a plain forward."""
    return lm.model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0, -1].log_softmax(dim=-1)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_scores_are_the_log_probabilities_of_the_vocabulary(family):
    lm = tiny_lm(family, bos=True)
    endpoint = LocalEndpoint(lm)
    assert isinstance(endpoint, Endpoint)
    assert endpoint.probe(LABELS).exact
    found = endpoint.score(ROWS, LABELS)
    ids = [[1, *lm.tokens(row)] for row in ROWS]
    expected = torch.stack([alone(lm, row)[[5, 6, 7]] for row in ids])
    np.testing.assert_allclose(found.logs, expected.numpy(), atol=1e-4)
    assert not found.bounds.any()
    as_tokens = endpoint.score([tuple(row) for row in ids], LABELS)
    np.testing.assert_array_equal(as_tokens.logs, found.logs)


def test_usage_is_that_of_a_service_and_the_estimate_is_exact():
    endpoint, rows = LocalEndpoint(tiny_lm()), [(5, 6, 7), "bad good film"]
    endpoint.probe(LABELS)
    usage = endpoint.score(rows, LABELS).usage
    assert (usage.rows, usage.tokens, usage.requests, usage.attempts) == (2, 6, 1, 1)
    assert (usage.uploaded, usage.downloaded) == (3 * 4 + len("bad good film"), 2 * 3 * 4)
    assert endpoint.estimate(rows) == usage


def test_what_it_does_not_take_is_one_line():
    endpoint = LocalEndpoint(tiny_lm())
    assert endpoint.probe(LABELS).forms == {Form.TEXT, Form.TOKENS}
    with pytest.raises(InputError, match="takes texts and token ids"):
        endpoint.score([np.zeros((2, 32), dtype=np.float32)], LABELS)
    with pytest.raises(ModelError, match="a row of 65 tokens: 'llama' takes 1 to 64"):
        endpoint.score([(5,) * 65], LABELS)
    with pytest.raises(ModelError, match="a row of 0 tokens"):
        endpoint.score([""], LABELS)
    with pytest.raises(InputError, match="no token id"):
        endpoint.score(["bad"], [Label(text=" bad")])
    with pytest.raises(InputError, match="needs? a decoder-only model"):
        LocalEndpoint(tiny_lm("bert"))


def cost(rows, groups, overhead):
    total = 0
    for group in groups:
        taken = [rows[i] for i in group]
        begin = next((n for n in range(min(map(len, taken))) if len({row[n] for row in taken}) > 1), min(map(len, taken)))
        total += overhead + begin + sum(len(row) - begin for row in taken)
    return total


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=12), st.integers(0, 6))
def test_groups_hold_each_row_once_and_cost_no_more_than_all_together_or_each_alone(rows, overhead):
    groups = group_rows(rows, overhead)
    assert sorted(i for group in groups for i in group) == list(range(len(rows)))
    found = cost(rows, groups, overhead)
    assert found <= cost(rows, [range(len(rows))], overhead)
    assert found <= cost(rows, [[i] for i in range(len(rows))], overhead)


def test_rows_behind_two_long_beginnings_make_two_groups():
    rows = [[*[one] * 200, *rest] for rest in ([1], [2], [3]) for one in (7, 8)]
    assert sorted(map(sorted, group_rows(rows))) == [[0, 2, 4], [1, 3, 5]]


def test_a_common_beginning_is_computed_once():
    lm = tiny_lm()
    endpoint, seen = LocalEndpoint(lm), []
    rows = [" ".join(["the film was"] * 15 + [word]) for word in WORDS[:4]]
    endpoint.score(rows, LABELS)  # engines are checked
    lm.model.base_model.register_forward_pre_hook(
        lambda _, args, named: seen.append(
            next(v for v in (named.get("inputs_embeds"),) if v is not None).shape[:2].numel()
        ),
        with_kwargs=True,
    )
    endpoint.score(rows, LABELS)
    assert sum(seen) < 45 + 4 * 4 + 32 < 4 * 46
