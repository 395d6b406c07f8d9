"""Baselines: classifiers on frozen features, and gradient-based tuning."""

from collections.abc import Iterable

from dfo_prompt import MethodSpec, hookimpl

FEATURES = {
    "linear": "Logistic regression on frozen representations",
    "mlp": "A small neural network on frozen representations",
    "bilstm": "A BiLSTM on frozen representations of every token",
}
GRADIENTS = {
    "prompt-tuning": "A soft prompt at the embeddings, trained by gradients (Lester et al., 2021)",
    "p-tuning": "A soft prompt from a small encoder, trained by gradients (Liu et al., 2021)",
    "prefix-tuning": "Keys and values ahead of every layer (Li and Liang, 2021; P-Tuning v2: Liu et al., 2022)",
    "lora": "Low-rank updates of the attention (Hu et al., 2022)",
    "adapter": "A bottleneck after every layer (after Houlsby et al., 2019)",
    "bitfit": "Only biases (Ben Zaken et al., 2022)",
    "model-tuning": "All weights",
}


@hookimpl
def dfo_prompt_methods() -> Iterable[MethodSpec]:
    """Register the baselines."""
    for name, summary in FEATURES.items():
        target = f"dfo_prompt_baselines.features:{name}"
        yield MethodSpec(name=f"feature-{name}", target=target, summary=f"{summary}.")
    for name, summary in GRADIENTS.items():
        yield MethodSpec(
            name=name,
            target=f"dfo_prompt_baselines.gradients:{name.replace('-', '_')}",
            summary=f"{summary}.",
            needs_gradients=True,
            # A prompt can differ between the texts of a batch; changed weights serve a single task.
            deployment_efficient=name in ("prompt-tuning", "p-tuning", "prefix-tuning"),
        )
