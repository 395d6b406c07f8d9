"""Tests of replayed passes: which are replayed, and that a replay that gives other scores is not used."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM

from dfo_prompt.lm.load import LanguageModel, pick_device
from dfo_prompt.lm.references import LikelihoodReader, encode_references
from dfo_prompt.lm.replay import FEWEST, Replays
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.verbalizer import Verbalizer
from dfo_prompt.lm.waits import Waits
from dfo_prompt.tasks.sections import Answer
from dfo_prompt.tasks.task import Task
from dfo_prompt.testing.tiny import BEHIND, TASK, some_examples, tiny_lm, tiny_model

PROMPTS = torch.arange(2.0 * FEWEST).view(FEWEST, 1, 2, 1)


class Recorder:
    """Records passes without a GPU: a replay is `change` of the pass itself."""

    def __init__(self, change):
        self._change = change
        self.recorded = 0
        self.replayed = 0

    def stream(self):
        return nullcontext()

    def record(self, prompt, run):
        self.recorded += 1
        run(prompt)
        if self._change is None:
            return None

        def replay(prompt):
            self.replayed += 1
            return self._change(run(prompt))

        return replay

    def free(self):
        self.freed = True


def scores_of(prompt):
    return prompt[0] ** 2


def replays_with(recorder):
    replays = Replays(tiny_model())
    replays._graphs = recorder
    return replays


def test_a_pass_is_recorded_once_and_replayed_for_the_other_prompts():
    recorder = Recorder(lambda scores: scores)
    assert torch.equal(replays_with(recorder).each(PROMPTS, scores_of), PROMPTS[:, 0] ** 2)
    assert (recorder.recorded, recorder.replayed) == (1, FEWEST)  # the first replay is for the comparison


@pytest.mark.parametrize("change", [None, lambda scores: scores + 1e-6])
def test_a_pass_that_cannot_be_recorded_or_gives_other_scores_is_run_as_before(change):
    recorder = Recorder(change)
    replays = replays_with(recorder)
    for _ in range(2):
        assert torch.equal(replays.each(PROMPTS, scores_of), PROMPTS[:, 0] ** 2)
    assert recorder.recorded == 1
    assert recorder.replayed <= 1


def test_few_prompts_and_models_on_the_cpu_are_not_recorded():
    recorder = Recorder(lambda scores: scores)
    replays_with(recorder).each(PROMPTS[: FEWEST - 1], scores_of)
    assert recorder.recorded == 0
    assert Replays(tiny_model())._graphs is None


@pytest.mark.parametrize(
    ("wait", "waits"),
    [
        (lambda x: x * x.max().item(), True),
        (lambda x: x[x >= 0], True),
        (lambda x: x.masked_fill(x > 0, 1.0)[:, :1], False),
        (lambda x: x if (x >= 0).all() else -x, True),
        (lambda x: x[:, torch.tensor([0])], False),
    ],
    ids=["a number", "a mask", "a fill", "a truth", "an index"],
)
def test_a_pass_that_waits_is_not_recorded(wait, waits):
    recorder = Recorder(lambda scores: scores)
    run = lambda prompt: wait(prompt[0])  # noqa: E731
    assert torch.equal(replays_with(recorder).each(PROMPTS, run), torch.stack([run(prompt) for prompt in PROMPTS]))
    assert recorder.recorded == (not waits)


@pytest.mark.parametrize(
    ("copy", "waits"),
    [
        (lambda there: torch.ones(2).to(there.device), True),
        (lambda there: torch.ones(()).type_as(there), True),
        (lambda there: there[torch.tensor([0])], True),
        (lambda there: torch.ops.aten.lift_fresh(there), True),  # all that is seen of torch.tensor(..., device="cuda")
        (lambda there: there * torch.ones(()), False),  # the scalar is an argument of the kernel
    ],
    ids=["a vector", "a scalar", "an index", "numbers", "a factor"],
)
def test_copies_to_the_device_of_the_model_wait(copy, waits):
    there = torch.ones(2, device="meta")
    with Waits() as found:
        copy(there)
    assert bool(found.found) == waits


def test_passes_of_deberta_wait():
    model, prompt = tiny_model("deberta-v2").to("meta"), torch.empty(2, 7, 32, device="meta")
    with torch.inference_mode(), Waits() as waits:
        model(inputs_embeds=prompt, attention_mask=torch.ones(2, 7, dtype=torch.long, device="meta"))
    assert waits.found


def test_passes_with_dynamic_rotary_embeddings_wait():
    config = tiny_model().config
    config.rope_parameters = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    model = AutoModelForCausalLM.from_config(config)
    with torch.inference_mode(), Waits() as waits:
        model(inputs_embeds=torch.ones(2, 7, 32))
    assert waits.found


def test_scores_that_are_no_numbers_do_not_end_replays():
    recorder = Recorder(lambda scores: scores)
    replays = replays_with(recorder)
    for _ in range(2):
        replays.each(PROMPTS, lambda prompt: scores_of(prompt) * torch.nan)
    assert recorder.recorded == 2


@pytest.mark.parametrize("passes", [1, 2, 3], ids=["first", "watched", "recorded"])
def test_a_pass_that_exhausts_memory_frees_what_is_recorded(passes):
    recorder, ran = Recorder(lambda scores: scores), []

    def run(prompt):
        ran.append(prompt)
        if len(ran) == passes:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return scores_of(prompt)

    replays = replays_with(recorder)
    with pytest.raises(torch.OutOfMemoryError):
        replays.each(PROMPTS, run)
    assert recorder.freed
    assert torch.equal(replays.each(PROMPTS, scores_of), PROMPTS[:, 0] ** 2)
    assert replays._graphs is recorder


@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize("family", ["llama", "gpt2", "roberta", "t5"])
@pytest.mark.parametrize("task", [TASK, BEHIND], ids=["prompt first", "texts first"])
def test_no_pass_of_the_engine_waits(family, task, words, passes):
    lm = tiny_lm(family)
    task = task if words == 1 else replace(task, labels={"0": "bad film", "1": "good film"})
    verbalizer = Verbalizer(lm, task, prompt_tokens=3)
    texts = verbalizer.encode([example.texts for example in some_examples(9)])
    verbalizer.scorer_with(Scorer(lm))(torch.randn(2, 3, lm.width), texts)
    assert passes
    assert not any(passes)


def test_no_pass_over_references_waits(passes):
    task = Task(name="say", summary="", template="{text} . it was {answer}", answer=Answer(ends="text"), metric="chrf")
    lm, texts = tiny_lm(), [example.texts for example in some_examples(3)]
    references = encode_references(lm, task, texts, ["good film", "bad", "good good film"], prompt_tokens=3)
    scorer = Scorer(lm)
    scorer.score(torch.randn(2, 3, lm.width), references.texts, LikelihoodReader(scorer.model, references))
    assert passes
    assert not any(passes)


@pytest.fixture
def passes(monkeypatch):
    """What waits in the passes after the first, by pass."""
    found = []

    def watched(_, prompts, run):
        scores = [run(prompt) for prompt in prompts]
        with Waits() as waits:
            run(prompts[0])
        found.append(waits.found)
        return torch.stack(scores)

    monkeypatch.setattr(Replays, "each", watched)
    return found


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("family", "task"), [("llama", TASK), ("llama", BEHIND), ("roberta", TASK)])
def test_replays_on_cuda_are_the_scores_of_the_cpu(family, task):
    scores = []
    for device in ("cpu", "cuda"):
        made = tiny_lm(family)
        model = made.model.to(pick_device(device))
        lm = LanguageModel(name=family, model=model, tokenizer=made.tokenizer, fingerprint="tiny", head=made.head)
        verbalizer = Verbalizer(lm, task, prompt_tokens=3)
        texts = verbalizer.encode([example.texts for example in some_examples(9)])
        scorer = Scorer(lm)
        score = verbalizer.scorer_with(scorer)
        drawn = torch.randn(2, FEWEST, 3, lm.width, generator=torch.Generator().manual_seed(0)).to(lm.device)
        scores.append(torch.stack([score(prompts, texts) for prompts in drawn]).cpu())
    assert scorer._runs._replays._graphs._last
    torch.testing.assert_close(scores[1], scores[0], rtol=1e-4, atol=1e-4)
