"""From z to an instruction whose tokens are nearest to A z + p0."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.contracts.endpoint import Form
from dfo_prompt.errors import InputError
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.local import LocalEndpoint
from dfo_prompt.lm.shell import load_shell
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.text.build import local_text_objective, words_of
from dfo_prompt.prompt.text.objective import TextObjective
from dfo_prompt.prompt.text.substitutions import check_start, substitutions
from dfo_prompt.testing.families import SIZES
from dfo_prompt.testing.tiny import TASK, WORDS, few_shot, tiny_lm

START = "it was a film"
DIM = 6


def merging_lm():
    """A model over bytes and their merges, whose tokens are read as others when some of them meet."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    corpus = ["it was a film of the long short news", "filming filmed longer shorter newest plotting", "a fun plot"]
    trainer = BpeTrainer(
        vocab_size=340, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<s>"], show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    words = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")
    config = AutoConfig.for_model("llama", **{**SIZES, "vocab_size": len(words)})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).eval()
    return LanguageModel(name="bytes", model=model, tokenizer=words, fingerprint="bytes")


LM, MERGING = tiny_lm(), merging_lm()


def problem(lm=LM, seed=0):
    return Problem(lm=lm, task=TASK, data=few_shot(), seed=seed)


def decoder(lm=LM, start=START, *, dim=DIM, seed=0, alpha=2.0, **prompt):
    settings = PromptConfig(start=f"text:{start}", projection_options={"alpha": alpha}, **prompt)
    return substitutions(problem(lm, seed), settings, dim)[0]


def candidates(count, dim=DIM):
    return np.random.default_rng(3).standard_normal((count, dim))


def texts(found, zs):
    return [found.decode(z).instruction for z in zs]


@given(st.lists(st.sampled_from(WORDS), min_size=2, max_size=7), st.sampled_from(["normal", "uniform", "orthogonal"]))
def test_zero_is_the_start(words, projection):
    settings = PromptConfig(start=f"text:{' '.join(words)}", projection=projection)
    found, _ = substitutions(problem(), settings, DIM)
    assert found.decode(np.zeros(DIM)).instruction == " ".join(words)


def test_the_label_words_stand_in_the_start():
    assert decoder(MERGING, "the film was {answers}").decode(np.zeros(DIM)).instruction == "the film was bad or good"


def test_each_token_is_the_word_of_the_largest_cosine():
    found, weights = decoder(), LM.model.get_input_embeddings().weight.numpy()
    known = LM.tokenizer.get_vocab()
    words = [word for word in WORDS if word.isalnum()]
    table = weights[[known[word] for word in words]]
    seen = set()
    for z in candidates(20):
        prompt = found._project(z[None])[0].numpy()  # (L, E)
        cosines = prompt @ table.T / np.linalg.norm(prompt, axis=1)[:, None] / np.linalg.norm(table, axis=1)
        expected = " ".join(words[i] for i in cosines.argmax(axis=1))
        assert found.decode(z).instruction == expected
        seen.add(expected)
    assert len(seen) > 10


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 10.0]))
def test_the_text_is_read_as_the_chosen_tokens(seed, scale):
    found = SHARED
    text = found.decode(scale * np.random.default_rng(seed).standard_normal(DIM)).instruction
    ids = MERGING.tokens(text)
    assert len(ids) == len(MERGING.tokens("filmed a longer plot"))
    assert MERGING.tokenizer.decode(ids) == text == text.strip()
    written = [MERGING.tokenizer.decode([token]) for token in ids]
    assert all(word.strip(" ").isalnum() for word in written)
    assert set(ids) <= set(found._ids.tolist())


SHARED = decoder(MERGING, "filmed a longer plot")


def test_tokens_that_would_merge_are_chosen_again_and_the_first_ones_stay():
    repaired = 0
    for z in candidates(50):
        near = SHARED._nearness(z)
        nearest = SHARED._ids[near.argmax(dim=1).numpy()].tolist()
        chosen = MERGING.tokens(SHARED.decode(z).instruction)
        if MERGING.tokens(MERGING.tokenizer.decode(nearest)) == nearest and nearest[0] == chosen[0]:
            assert chosen == nearest
            continue
        repaired += 1
        assert chosen != nearest
        same = next(i for i, (one, other) in enumerate(zip(chosen, nearest, strict=True)) if one != other)
        text = MERGING.tokenizer.decode(nearest[: same + 1])  # the first that is another was not to be had
        assert MERGING.tokens(text) != nearest[: same + 1] or text != text.strip()
    assert 0 < repaired < 50


def test_where_no_token_survives_behind_those_ahead_the_start_stands(monkeypatch):
    found = decoder(MERGING, "filmed a longer plot")
    survives = found._survives
    monkeypatch.setattr(found, "_survives", lambda ids: len(ids) < 3 and survives(ids))
    assert texts(found, candidates(5)) == ["filmed a longer plot"] * 5


def test_a_candidate_is_one_text_and_another_seed_or_draw_gives_others():
    zs = candidates(10)
    copy, first = zs.copy(), texts(decoder(), zs)
    assert texts(decoder(), zs) == first == texts(decoder(), zs)
    np.testing.assert_array_equal(zs, copy)
    assert texts(decoder(seed=1), zs) != first != texts(decoder(draw=1), zs)


def test_a_larger_alpha_substitutes_more():
    changed = [
        sum(
            text.split()[i] != word
            for text in texts(decoder(alpha=alpha), candidates(20))
            for i, word in enumerate(START.split())
        )
        for alpha in (0.1, 1.0, 10.0)
    ]
    assert changed[0] < changed[1] < changed[2]


def test_the_longest_prompt_bounds_the_estimate():
    for lm, start in ((LM, START), (MERGING, "filmed a longer plot")):
        found = decoder(lm, start)
        longest = found.longest(len, ()).instruction
        for text in texts(found, candidates(50)):
            assert len(text.encode()) <= len(longest.encode())
            assert len(lm.tokens(text)) == len(lm.tokens(longest))


class TextOnly(LocalEndpoint):
    """A server of texts; keeps its rows."""

    def __init__(self):
        super().__init__(tiny_lm("gpt2"))
        self.rows = []

    def probe(self, labels):
        return type(found := super().probe(labels))(**{**vars(found), "forms": frozenset({Form.TEXT})})

    def score(self, rows, labels):
        self.rows += rows
        return super().score(rows, labels)


def test_an_endpoint_of_texts_is_sent_the_text_and_each_text_once(tiny_folder):
    shell = load_shell("shell", tiny_folder)
    found, endpoint = decoder(shell), TextOnly()
    objective = TextObjective(
        split=problem(shell), endpoint=endpoint, words=words_of(shell, TASK), decoder=found, longest=found.longest(len, ())
    )
    zs = np.concatenate([candidates(3), 1.001 * candidates(3), np.zeros((1, DIM))])
    chosen = texts(found, zs)
    assert chosen == texts(decoder(), zs)  # of the whole model
    assert chosen[:3] == chosen[3:6]
    objective.evaluate(zs)
    train = [example.texts[0] for example in few_shot().train]
    assert endpoint.rows == [f"{instruction}\n\n{text} . it was" for instruction in dict.fromkeys(chosen) for text in train]
    assert objective.text(zs[0]) == f"{chosen[0]}\n\n{{text}} . it was"
    bound = objective.estimate(1)
    assert objective.evaluate(zs[:1]).usage.tokens <= bound.tokens


@pytest.mark.parametrize(
    ("start", "instructions", "message"),
    [
        ("vocabulary", None, 'starts from an instruction; set prompt.start = "text:WORDS"'),
        ("text: ", None, 'starts from an instruction; set prompt.start = "text:WORDS"'),
        ("text:a film", "pool.txt", 'takes no instructions; set prompt.start = "text:WORDS" instead'),
    ],
)
def test_other_starts_are_one_line(start, instructions, message):
    with pytest.raises(InputError, match=message):
        check_start(start, instructions)


def test_a_scale_at_which_nothing_is_substituted_is_said(caplog):
    with caplog.at_level("WARNING"):
        decoder(alpha=4.0)
        assert not caplog.records
        decoder(alpha=0.01)
    (record,) = caplog.records
    assert record.getMessage() == (
        "8 random candidates of deviation 1 are all the instruction that was given; raise prompt.projection_options.alpha"
    )


@pytest.mark.parametrize("start", ["a zebra", "a  film"])
def test_a_start_that_the_tokenizer_changes_is_refused(start):
    with pytest.raises(InputError, match=f"the tokenizer of 'llama' does not give 'a {start.split()[1]}' back as written"):
        decoder(start=start)


def test_an_instruction_that_leaves_no_room_is_refused_before_any_query():
    found = decoder(start=" ".join(["film"] * 60))
    with pytest.raises(InputError, match="instructions of up to 60 tokens leave no room .* 64 .* takes; shorten them"):
        local_text_objective(problem(), found, loss="cross_entropy", calibration="none")


def test_a_candidate_of_another_shape_or_not_finite_is_refused():
    for z in (np.zeros(DIM + 1), np.full(DIM, np.nan)):
        with pytest.raises(ValueError, match="6 numbers are needed"):
            decoder().decode(z)
    with pytest.raises(InputError, match="dim 129 is larger than the prompt: 4 tokens of width 32"):
        decoder(dim=129)
