"""Tests of replayed passes: which are replayed, and that a replay that gives other scores is not used."""

from contextlib import nullcontext

import pytest
import torch

from dfo_prompt.lm.load import LanguageModel, pick_device
from dfo_prompt.lm.replay import FEWEST, Replays
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.verbalizer import Verbalizer
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
        if self._change is None:
            return None

        def replay(prompt):
            self.replayed += 1
            return self._change(run(prompt))

        return replay


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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("family", "task"), [("llama", TASK), ("llama", BEHIND), ("roberta", TASK)])
def test_scores_on_cuda_are_those_of_the_cpu(family, task):
    scores = []
    for device in ("cpu", "cuda"):
        made = tiny_lm(family)
        model = made.model.to(pick_device(device))
        lm = LanguageModel(name=family, model=model, tokenizer=made.tokenizer, fingerprint="tiny", head=made.head)
        verbalizer = Verbalizer(lm, task, prompt_tokens=3)
        texts = verbalizer.encode([example.texts for example in some_examples(9)])
        prompts = torch.randn(FEWEST, 3, lm.width, generator=torch.Generator().manual_seed(0)).to(lm.device)
        scores.append(verbalizer.scorer_with(Scorer(lm))(prompts, texts).cpu())
    torch.testing.assert_close(scores[1], scores[0], rtol=1e-4, atol=1e-4)
