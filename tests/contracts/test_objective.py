import numpy as np

from dfo_prompt.contracts.objective import Evaluation, concatenated
from dfo_prompt.contracts.usage import Usage


def test_a_batch_in_parts_keeps_what_all_parts_have():
    one = np.ones(1)
    full = Evaluation(losses=one, metrics={"a": one, "b": 2 * one}, outputs=one[None])
    bare = Evaluation(losses=3 * one, metrics={"a": 4 * one})
    mixed, whole = concatenated([full, bare], Usage(rows=2)), concatenated([full, full], Usage())
    assert (mixed.losses.tolist(), mixed.usage) == ([1.0, 3.0], Usage(rows=2))
    assert {name: values.tolist() for name, values in mixed.metrics.items()} == {"a": [1.0, 4.0]}
    assert mixed.outputs is None
    assert whole.outputs.tolist() == [[1.0], [1.0]]
    assert list(whole.metrics) == ["a", "b"]
