"""Methods that are compared with studies of optimizers, on the same model, split and test examples."""

from collections.abc import Iterable

from dfo_prompt.contracts.method import MethodSpec
from dfo_prompt.plugin.hookspecs import hookimpl

FIXED = {
    "manual": ("manual", "The hand-written template alone"),
    "calibrated": ("calibrated", "The hand-written template, label words calibrated without labels (Zhao et al., 2021)"),
    "in-context": ("in_context", "Training examples as demonstrations ahead of the text (Brown et al., 2020)"),
    "patterns": ("patterns", "The mean of several hand-written patterns, untrained (after PET: Schick and Schuetze, 2021)"),
}
DECODERS = {
    "decoder": ("decoder", "A ridge classifier on hidden states at the answer slot (after DecT: Cui et al., 2023)"),
    "multi-prompt-decoder": (
        "multi_prompt_decoder",
        "Ridge classifiers on hidden states under several patterns and of several layers, which vote (after MPD, 2024)",
    ),
    "chained-decoder": (
        "chained_decoder",
        "Ridge classifiers on hidden states at several questions in a row, behind copies of the text",
    ),
    "label-scores-decoder": (
        "label_scores_decoder",
        "A ridge classifier on label words' scores, of the words of all patterns under each of them",
    ),
    "decoder-top-k": ("decoder_top_k", "A ridge classifier on the most likely tokens at the answer slot, 20 by default"),
}
SEARCHES = {
    "tuned-decoder": ("decoders:tuned_decoder", "A study, and a decoder under the prompt that it chose"),
    "ensemble": ("studies:mean_of_studies", "Mean prediction of prompts tuned with several projections, the budget shared"),
    "projections": (
        "studies:best_of_studies",
        "Several projections, the budget shared; the prompt best on dev is kept",
    ),
    "pretrained": (
        "pretrained:pretrained",
        "A study whose projection and start are learned on other tasks, for a budget per prompt",
    ),
}


@hookimpl
def dfo_prompt_methods() -> Iterable[MethodSpec]:
    """Register the methods that need only answers of the model."""
    yield MethodSpec(
        name="study",
        target="dfo_prompt.methods.study:study",
        summary="A soft prompt found by a derivative-free optimizer (Sun et al., 2022).",
        searches=True,
        tunes=True,
    )
    for name, (function, summary) in FIXED.items():
        yield MethodSpec(name=name, target=f"dfo_prompt.methods.fixed:{function}", summary=f"{summary}.")
    for name, (function, summary) in DECODERS.items():
        yield MethodSpec(
            name=name,
            target=f"dfo_prompt.methods.decoders:{function}",
            summary=f"{summary}.",
            describe="dfo_prompt.methods.decoders:describe_chain" if name == "chained-decoder" else "",
        )
    yield MethodSpec(
        name="recipe",
        target="dfo_prompt.methods.recipe:recipe",
        summary="Questions, layers and demonstrations that vote (preset recipe): the best for a handful of queries.",
        describe="dfo_prompt.methods.recipe:describe_recipe",
    )
    for name, (function, summary) in SEARCHES.items():
        target = f"dfo_prompt.methods.{function}"
        yield MethodSpec(
            name=name,
            target=target,
            summary=f"{summary}.",
            searches=True,
            exceeds_budget=name == "tuned-decoder",
            budgets="dfo_prompt.methods.sources:budgets_of_pretrained" if name == "pretrained" else "",
        )
