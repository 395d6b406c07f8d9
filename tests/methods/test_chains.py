"""Chained decoders ask all questions in one row, and read each answer where its question ends."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import softmax
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import PreTrainedTokenizerFast

import dfo_prompt as dp
from dfo_prompt.config.reading import parse_config
from dfo_prompt.lm.layout import lay_out
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.methods.chains import chain_of, chained
from dfo_prompt.methods.contexts import draw_contexts
from dfo_prompt.methods.decoders import chained_decoder
from dfo_prompt.methods.run import run_method
from dfo_prompt.methods.slots import HiddenStates, Slot
from dfo_prompt.methods.voting import Fitting
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.tasks.examples import Example
from dfo_prompt.tasks.sections import Pattern, Questions
from dfo_prompt.tasks.task import Task
from dfo_prompt.testing.tiny import TASK, WORDS, few_shot, some_examples, tiny_lm

TEXTS = [("bad film",), ("the plot was very very long",), ("fun",)]
ASKED = replace(
    TASK,
    template="so : {text} It was {answer}",
    causal_template="",
    patterns=(Pattern(template="{text} the film {prompt}was {answer}"), Pattern(template="{text}{answer}")),
)
OWN = Questions(text="film : {text}", questions=("so it was", "the plot was"))

EQUAL = Fitting(strength=0.1, sharpness=0)


def vote(problem, task, texts, context=None):
    """The log-probabilities of the texts by a decoder of the second layer's states at the end of a template."""
    lm, hidden = problem.lm, (0 if context is None else len(context.prompt))
    ahead, left_out = (torch.zeros(0, lm.width), ()) if context is None else (context.prompt, context.shown)

    def states(texts):
        rows = []
        for text in texts:
            ids = torch.tensor(lay_out(lm, task, text, prompt_tokens=hidden).right)
            with torch.no_grad():
                inputs = torch.cat([ahead, lm.model.get_input_embeddings()(ids)])[None]
                rows.append(lm.model(inputs_embeds=inputs, output_hidden_states=True).hidden_states[2][0, -1])
        return torch.stack(rows).double().numpy()

    x = np.delete(states([*problem.texts("train"), *problem.texts("dev")]), left_out, axis=0)
    y = np.delete(np.concatenate([problem.labels("train"), problem.labels("dev")]), left_out)
    return EQUAL.on(HiddenStates(lm=lm, depths=(1.0,)))(x, y, np.zeros((len(y), 2)))(
        states(texts), np.zeros((len(texts), 2))
    )


def setting(family="llama", task=ASKED, data=None, **options):
    problem = Problem(lm=tiny_lm(family), task=task, data=data or few_shot(), seed=3)
    return dp.Setting(
        opened=problem, config=parse_config({"method": "chained-decoder", "seed": 3, "method_options": options})
    )


def test_questions_follow_copies_of_the_text_that_says_most():
    chain = chained([*ASKED.rephrased, ASKED], copies=2)
    assert chain.task.template == "so : {text}\nso : {text}\nthe film was\nIt was {answer}"
    shown = "so : {text}\nso : {text}"
    ends = [f"{shown} {{answer}}", f"{shown}\n {{answer}}", f"{shown}\nthe film was {{answer}}", chain.task.template]
    assert chain.ends == tuple(ends)
    pair = Task(name="pair", summary="", template="{text_a} or {text_b} ? {answer}", labels={"0": "no", "1": "yes"})
    assert chained([pair], copies=1).task.template == "{text_a} or {text_b}\n? {answer}"


def test_without_questions_the_end_of_the_text_is_read():
    chain = chained([replace(ASKED, template="so : {text} {answer}", patterns=())], copies=1)
    assert chain.ends == ("so : {text} {answer}",)


def test_a_task_s_own_chain_comes_ahead_of_its_patterns_and_behind_given_templates():
    task = replace(ASKED, chain=OWN)
    chain = chain_of(task, (), copies=2)
    shown = "film : {text}\nfilm : {text}"
    asked = [shown, f"{shown}\n", f"{shown}\nso it was", f"{shown}\nso it was\nthe plot was"]
    assert chain.ends == tuple(f"{end} {{answer}}" for end in asked)
    assert chain.task.template == chain.ends[-1]
    given = ("{text} ? {answer}",)
    assert chain_of(task, given, copies=1).ends == chain_of(ASKED, given, copies=1).ends
    assert chain_of(ASKED, (), copies=1) == chained([ASKED, *ASKED.rephrased], copies=1)


def test_a_decoder_asks_its_task_s_own_chain():
    own, as_template = setting(task=replace(ASKED, chain=OWN)), setting()
    lines = "film : {text}\nso it was\nthe plot was {answer}"
    found, same = chained_decoder(own), chained_decoder(as_template, templates=(lines,))
    assert found.about["members"] == 4 * same.about["members"] // 3  # the questions are two lines, and one of a template
    assert found.spent.tokens == same.spent.tokens
    assert found.spent.tokens != chained_decoder(as_template).spent.tokens


@pytest.mark.parametrize("method", ["chained-decoder", "recipe"])
def test_the_chain_is_in_the_manifest_of_a_method_that_asks_it(tiny_folder, tiny_task, tmp_path, method):
    problem = {"model": str(tiny_folder), "task": str(tiny_task), "shots": 4}
    chain, plain_task = {"text": "film : {text}", "questions": ["so it was"]}, tiny_task.read_text()

    def objective(method, **options):
        out = tmp_path / f"{method}-{len(options)}"
        run_method(parse_config({"problem": problem, "method": method, "method_options": options}), out=out)
        return read_manifest(out)["objective"]

    def ask(chain):
        tiny_task.write_text(f"chain = {{ text = '{chain['text']}', questions = {chain['questions']} }}\n{plain_task}")

    plain = objective("manual")
    ask(chain)
    assert objective("manual") == plain  # in the same folder
    about = objective(method)
    assert about.pop("recipe", {"method": "chained-decoder"})["method"] == "chained-decoder"
    assert about == {**plain, "chain": chain}
    assert objective("chained-decoder", templates=["{text} so {answer}"]) == plain
    ask({**chain, "questions": ["but it was"]})
    with pytest.raises(dp.InputError, match=r"chain"):
        objective(method)


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1]], ids=["many", "one"])
@pytest.mark.parametrize("copies", [1, 2])
def test_each_question_is_read_where_it_ends(copies, texts):
    where = setting()
    problem, chain = where.problem, chained([ASKED, *ASKED.rephrased], copies=copies)

    votes = [vote(problem, replace(chain.task, template=end), texts) for end in chain.ends]
    found = chained_decoder(where, depths=(0.67,), copies=copies, fit=EQUAL)
    np.testing.assert_allclose(found.predict(texts), softmax(np.mean(votes, axis=0), axis=1), atol=1e-4)
    assert (found.spent.queries, found.about["members"]) == (2, 4)


def test_a_chain_is_asked_behind_demonstrations_too_which_no_decoder_is_fitted_to():
    where = setting(data=replace(few_shot(), train=some_examples(14, 1, longest=5)))
    lm, problem = where.problem.lm, where.problem
    chain = chained([ASKED, *ASKED.rephrased], copies=1)
    contexts = draw_contexts(problem, chain.task, 2)
    votes = [vote(problem, replace(chain.task, template=end), TEXTS) for end in chain.ends]
    for context in contexts:
        shown = [problem.data.train[i] for i in context.shown]
        assert sorted(example.label for example in shown) == [0, 1]
        said = "".join(
            f"so : {example.texts[0]}\nIt was\nthe film was {chain.task.words[example.label]}\n\n" for example in shown
        )
        np.testing.assert_array_equal(context.prompt, lm.embed(np.array(lm.tokens(said))))
        votes += [vote(problem, replace(chain.task, template=end), TEXTS, context) for end in chain.ends]
    assert contexts[0].shown != contexts[1].shown
    found = chained_decoder(where, depths=(0.67,), contexts=2, fit=EQUAL)
    np.testing.assert_allclose(found.predict(TEXTS), softmax(np.mean(votes, axis=0), axis=1), atol=1e-4)
    alone = chained_decoder(where, depths=(0.67,), fit=EQUAL)
    tokens = sum(len(context.prompt) for context in contexts)
    assert (found.spent.queries, found.about["prompts"], found.about["members"]) == (6, 3, 12)
    assert found.spent.tokens == 3 * alone.spent.tokens + (14 + 6) * tokens
    assert found.spent.uploaded == 3 * alone.spent.uploaded + 2 * 4 * tokens


def test_contexts_show_what_fits_and_say_if_nothing_can_be_shown(caplog):
    problem = setting().problem
    long = [Example(texts=("film " * length,), label=label) for label, length in ((0, 30), (0, 18), (1, 30), (1, 18))]
    contexts = draw_contexts(replace(problem, data=replace(few_shot(), train=tuple(long))), TASK, 20)
    assert {len(context.shown) for context in contexts} == {1}  # of 32 tokens; no demonstration of 30 words fits
    assert f"{20 - len(contexts)} of 20 contexts are left out" in caplog.text
    single = replace(problem, data=replace(few_shot(), train=few_shot().train[:3]))
    assert draw_contexts(single, TASK, 2) == []
    assert "2 of 2 contexts are left out: a class has one example, or none fits" in caplog.text


def test_ends_are_found_where_even_the_shortest_text_is_truncated():
    lm, chain = tiny_lm(), chain_of(replace(TASK, chain=OWN), (), copies=1)
    whole = "film " * (lm.max_tokens - 12)  # fits with both questions
    assert chain.back(lm, [("film " * 3,), (whole,)]).tolist() == [[6, 6, 3, 0]] * 2
    reading = Slot(lm, chain.task, Scorer(lm), HiddenStates(lm=lm, depths=(1.0,), places=partial(chain.back, lm)))
    cut = lay_out(lm, chain.task, (whole * 3,), prompt_tokens=0).texts
    answers = [reading.ask([text], words=False).figures for text in ((whole * 3,), cut)]
    np.testing.assert_array_equal(*answers)


def test_line_breaks_that_are_one_token_with_the_text_s_last_character_are_read_there():
    words = ["<unk>", *WORDS, "\n", ".\n"]
    joining = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    joining.pre_tokenizer = Split(Regex(r"[^\s\w]+\n*|\n+|\w+"), "removed", invert=True)  # as those of Llama 3 and Qwen
    lm = replace(tiny_lm(), tokenizer=PreTrainedTokenizerFast(tokenizer_object=joining))
    chain, texts = chain_of(replace(TASK, chain=OWN), (), copies=1), [("fun",), ("bad film .",)]
    found = []
    for text, backs in zip(texts, chain.back(lm, texts).tolist(), strict=True):
        tokens = lm.tokenizer.convert_ids_to_tokens(lm.tokens(chain.task.causal.render(text).before))
        found.append([tokens[-1 - back] for back in backs])
    assert found == [["fun", "\n", "was", "was"], [".\n", ".\n", "was", "was"]]


def test_a_model_that_fills_in_masks_is_refused():
    with pytest.raises(dp.InputError, match="a chain needs a decoder-only model"):
        chained_decoder(setting("bert"))
