"""Decoders map z to demonstrations and an instruction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.errors import InputError
from dfo_prompt.prompt.text.decoders import RandomKeys, random_keys, read_instructions, text_dim
from dfo_prompt.testing.tiny import TASK

FINITE = st.floats(-1e6, 1e6, width=32)


@st.composite
def decoders(draw):
    examples = draw(st.integers(1, 9))
    pool = tuple(f"instruction {i}" for i in range(draw(st.integers(0, 4))))
    least = 0 if len(pool) > 1 else 1
    return RandomKeys(examples=examples, demonstrations=draw(st.integers(least, examples)), instructions=pool)


@st.composite
def candidates(draw):
    decoder = draw(decoders())
    return decoder, draw(arrays(np.float64, decoder.dim, elements=FINITE))


@given(candidates())
def test_demonstrations_are_distinct_and_as_many_as_asked_for(found):
    decoder, z = found
    choice = decoder.decode(z)
    assert len(choice.shown) == len(set(choice.shown)) == decoder.demonstrations
    assert set(choice.shown) <= set(range(decoder.examples))
    assert choice.instruction in (decoder.instructions or ("",))


@given(candidates(), st.sampled_from([0.25, 0.5, 2.0, 1024.0]))
def test_only_the_ranks_of_the_keys_matter(found, scale):
    decoder, z = found
    before, expected = z.copy(), decoder.decode(z)
    assert decoder.decode(scale * z) == expected == decoder.decode(np.cbrt(z)) == decoder.decode(z.copy())
    np.testing.assert_array_equal(z, before)


@given(candidates())
def test_the_largest_keys_are_shown_and_the_largest_of_all_stands_last(found):
    decoder, z = found
    shown = list(decoder.decode(z).shown)
    keys = z[: decoder.examples]
    assert [keys[i] for i in shown] == sorted(keys[i] for i in shown)
    if shown:
        others = [keys[i] for i in range(decoder.examples) if i not in shown]
        assert keys[shown[-1]] == keys.max()
        assert max(others, default=-np.inf) <= keys[shown[0]]


@given(st.permutations(range(6)))
def test_every_order_can_be_had(order):
    z = np.empty(6)
    z[list(order)] = np.arange(6.0)
    assert RandomKeys(examples=6, demonstrations=6).decode(z).shown == tuple(order)


def test_zero_shows_the_first_examples_without_an_instruction():
    keys = random_keys(TASK, examples=8, parts="both", demonstrations=3, instructions=None)
    choice = keys.decode(np.zeros(keys.dim))
    assert (choice.instruction, sorted(choice.shown)) == ("", [0, 1, 2])


def test_instructions_come_from_a_file_with_the_label_words_filled_in(tmp_path):
    file = tmp_path / "pool.txt"
    file.write_bytes("\ufeffSay {answers}.\r\n\n  Be brief: é  \nSay {answers}.\n".encode())
    keys = random_keys(TASK, examples=8, parts="instruction", demonstrations=3, instructions=file)
    assert keys.instructions == ("", "Say bad or good.", "Be brief: é")
    assert (keys.dim, keys.decode(np.array([0.0, 2.0, 1.0])).instruction) == (3, "Say bad or good.")


@pytest.mark.parametrize(
    ("parts", "demonstrations", "dim"),
    [("both", 3, 8 + 8), ("demonstrations", 3, 8), ("instruction", 3, 8), ("both", 8, 16)],
)
def test_the_dimension_follows_from_shots_classes_and_pool(tiny_task, parts, demonstrations, dim):
    problem = ProblemConfig(task=tiny_task, shots=4)
    assert len(read_instructions(None)) == 7
    assert text_dim(problem=problem, demonstrations=demonstrations, decoder=parts) == dim


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"demonstrations": 9}, "demonstrations must be between 1 and the 8 training examples"),
        ({"demonstrations": 0}, 'demonstrations must be between 1 and 8; for none set decoder = "instruction"'),
        ({"parts": "demonstrations", "instructions": "pool"}, "takes no instructions"),
        ({"instructions": "missing"}, "cannot read .*missing"),
        ({"instructions": "blank"}, "blank has no instruction; write one per line"),
        ({"instructions": "binary"}, "binary: it is not UTF-8"),
    ],
)
def test_bad_settings_are_one_line(tmp_path, changes, message):
    (tmp_path / "pool").write_text("Be brief.\n")
    (tmp_path / "blank").write_text("\n \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfa")
    changes = {key: tmp_path / value if key == "instructions" else value for key, value in changes.items()}
    usual = {"examples": 8, "parts": "both", "demonstrations": 3, "instructions": None}
    with pytest.raises(InputError, match=message):
        random_keys(TASK, **{**usual, **changes})


def test_a_candidate_of_another_shape_or_not_finite_is_refused():
    keys = RandomKeys(examples=3, demonstrations=1)
    for z in (np.zeros(2), np.array([0.0, np.nan, 1.0])):
        with pytest.raises(ValueError, match="3 keys are needed"):
            keys.decode(z)
    with pytest.raises(InputError, match="nothing to select"):
        RandomKeys(examples=3, demonstrations=0)
