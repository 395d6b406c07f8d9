"""Tests of CUDA graphs: which passes are captured, and that a graph that gives other scores is not replayed."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM

from dfo_prompt.lm.cuda_graphs import FEWEST, CudaGraphs
from dfo_prompt.lm.host_syncs import HostSyncs
from dfo_prompt.lm.load import LanguageModel, pick_device
from dfo_prompt.lm.references import LikelihoodReader, encode_references
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.verbalizer import Verbalizer
from dfo_prompt.tasks.sections import Answer
from dfo_prompt.tasks.task import Task
from dfo_prompt.testing.tiny import BEHIND, TASK, some_examples, tiny_lm, tiny_model

PROMPTS = torch.arange(2.0 * FEWEST).view(FEWEST, 1, 2, 1)


class FakeCapturer:
    """Captures passes without a GPU: a replay is `change` of the pass itself."""

    def __init__(self, change):
        self._change = change
        self.captured = 0
        self.replayed = 0
        self.holds_memory = False

    def stream(self):
        return nullcontext()

    def capture(self, prompt, run):
        self.captured += 1
        self.holds_memory = True
        run(prompt)
        if self._change is None:
            return None

        def replay(prompt):
            self.replayed += 1
            return self._change(run(prompt))

        return replay

    def free(self):
        self.freed = True
        self.holds_memory = False


def scores_of(prompt):
    return prompt[0] ** 2


def graphs_with(capturer):
    graphs = CudaGraphs(tiny_model())
    graphs._capturer = capturer
    return graphs


def test_a_pass_is_captured_once_and_replayed_for_the_other_prompts():
    capturer = FakeCapturer(lambda scores: scores)
    assert torch.equal(graphs_with(capturer).each(PROMPTS, scores_of), PROMPTS[:, 0] ** 2)
    assert (capturer.captured, capturer.replayed) == (1, FEWEST)  # the first replay is for the comparison


@pytest.mark.parametrize("change", [None, lambda scores: scores + 1e-6])
def test_a_pass_that_cannot_be_captured_or_gives_other_scores_is_run_as_before(change):
    capturer = FakeCapturer(change)
    graphs = graphs_with(capturer)
    for _ in range(2):
        assert torch.equal(graphs.each(PROMPTS, scores_of), PROMPTS[:, 0] ** 2)
    assert capturer.captured == 1
    assert capturer.replayed <= 1


def test_few_prompts_and_models_on_the_cpu_are_not_captured():
    capturer = FakeCapturer(lambda scores: scores)
    graphs_with(capturer).each(PROMPTS[: FEWEST - 1], scores_of)
    assert capturer.captured == 0
    assert CudaGraphs(tiny_model())._capturer is None


@pytest.mark.parametrize(
    ("sync", "synchronizes"),
    [
        (lambda x: x * x.max().item(), True),
        (lambda x: x[x >= 0], True),
        (lambda x: x.masked_fill(x > 0, 1.0)[:, :1], False),
        (lambda x: x if (x >= 0).all() else -x, True),
        (lambda x: x[:, torch.tensor([0])], False),
    ],
    ids=["a number", "a mask", "a fill", "a truth", "an index"],
)
def test_a_pass_that_synchronizes_is_not_captured(sync, synchronizes):
    capturer = FakeCapturer(lambda scores: scores)
    run = lambda prompt: sync(prompt[0])  # noqa: E731
    assert torch.equal(graphs_with(capturer).each(PROMPTS, run), torch.stack([run(prompt) for prompt in PROMPTS]))
    assert capturer.captured == (not synchronizes)


@pytest.mark.parametrize(
    ("copy", "synchronizes"),
    [
        (lambda there: torch.ones(2).to(there.device), True),
        (lambda there: torch.ones(()).type_as(there), True),
        (lambda there: there[torch.tensor([0])], True),
        (torch.ops.aten.lift_fresh, True),  # all that is seen of torch.tensor(..., device="cuda")
        (lambda there: there * torch.ones(()), False),  # the scalar is an argument of the kernel
    ],
    ids=["a vector", "a scalar", "an index", "numbers", "a factor"],
)
def test_copies_to_the_device_of_the_model_synchronize(copy, synchronizes):
    there = torch.ones(2, device="meta")
    with HostSyncs() as syncs:
        copy(there)
    assert bool(syncs.found) == synchronizes


def test_passes_of_deberta_synchronize():
    model, prompt = tiny_model("deberta-v2").to("meta"), torch.empty(2, 7, 32, device="meta")
    with torch.inference_mode(), HostSyncs() as syncs:
        model(inputs_embeds=prompt, attention_mask=torch.ones(2, 7, dtype=torch.long, device="meta"))
    assert syncs.found


def test_passes_with_dynamic_rotary_embeddings_synchronize():
    config = tiny_model().config
    config.rope_parameters = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    model = AutoModelForCausalLM.from_config(config)
    with torch.inference_mode(), HostSyncs() as syncs:
        model(inputs_embeds=torch.ones(2, 7, 32))
    assert syncs.found


def test_scores_that_are_no_numbers_do_not_end_captures():
    capturer = FakeCapturer(lambda scores: scores)
    graphs = graphs_with(capturer)
    for _ in range(2):
        graphs.each(PROMPTS, lambda prompt: scores_of(prompt) * torch.nan)
    assert capturer.captured == 2


@pytest.mark.parametrize("passes", [1, 2, 3], ids=["first", "watched", "captured"])
def test_a_pass_that_exhausts_memory_frees_the_captured_graphs(passes):
    capturer, ran = FakeCapturer(lambda scores: scores), []

    def run(prompt):
        ran.append(prompt)
        if len(ran) == passes:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return scores_of(prompt)

    graphs = graphs_with(capturer)
    with pytest.raises(torch.OutOfMemoryError):
        graphs.each(PROMPTS, run)
    assert capturer.freed
    assert torch.equal(graphs.each(PROMPTS, scores_of), PROMPTS[:, 0] ** 2)
    assert graphs._capturer is capturer


def test_a_pass_is_tried_again_with_the_memory_of_captured_graphs():
    capturer, ran = FakeCapturer(lambda scores: scores), []
    graphs = graphs_with(capturer)
    graphs.each(PROMPTS, scores_of)

    def run(prompt):
        ran.append(prompt)
        if len(ran) == 1:
            assert capturer.holds_memory
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return scores_of(prompt)

    assert torch.equal(graphs.each(PROMPTS, run), PROMPTS[:, 0] ** 2)
    assert capturer.freed


@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize("family", ["llama", "gpt2", "roberta", "t5"])
@pytest.mark.parametrize("task", [TASK, BEHIND], ids=["prompt first", "texts first"])
def test_no_pass_of_the_engine_synchronizes(family, task, words, passes):
    lm = tiny_lm(family)
    task = task if words == 1 else replace(task, labels={"0": "bad film", "1": "good film"})
    verbalizer = Verbalizer(lm, task, prompt_tokens=3)
    texts = verbalizer.encode([example.texts for example in some_examples(9)])
    verbalizer.scorer_with(Scorer(lm))(torch.randn(2, 3, lm.width), texts)
    assert passes
    assert not any(passes)


def test_no_pass_over_references_synchronizes(passes):
    task = Task(name="say", summary="", template="{text} . it was {answer}", answer=Answer(ends="text"), metric="chrf")
    lm, texts = tiny_lm(), [example.texts for example in some_examples(3)]
    references = encode_references(lm, task, texts, ["good film", "bad", "good good film"], prompt_tokens=3)
    scorer = Scorer(lm)
    scorer.score(torch.randn(2, 3, lm.width), references.texts, LikelihoodReader(scorer.model, references))
    assert passes
    assert not any(passes)


@pytest.fixture
def passes(monkeypatch):
    """The operations that synchronize with the host in the passes after the first, by pass."""
    found = []

    def watched(_, prompts, run):
        scores = [run(prompt) for prompt in prompts]
        with HostSyncs() as syncs:
            run(prompts[0])
        found.append(syncs.found)
        return torch.stack(scores)

    monkeypatch.setattr(CudaGraphs, "each", watched)
    return found


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("family", "task"), [("llama", TASK), ("llama", BEHIND), ("roberta", TASK)])
def test_graphs_on_cuda_give_the_scores_of_the_cpu(family, task):
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
    assert scorer._runs._graphs._capturer._last
    torch.testing.assert_close(scores[1], scores[0], rtol=1e-4, atol=1e-4)
