"""How fast this machine multiplies matrices of the shapes that a model has: the ceiling for any engine."""

from collections import Counter
from time import perf_counter
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D


def products(model: Any) -> Counter[tuple[int, int]]:
    """Return the shapes (in, out) of the products that every token goes through, and how often each occurs."""
    head = model.get_output_embeddings()
    shapes: Counter[tuple[int, int]] = Counter()
    for module in model.modules():
        if isinstance(module, nn.Linear | Conv1D) and module is not head:
            out, inner = module.weight.shape if isinstance(module, nn.Linear) else module.weight.shape[::-1]
            shapes[inner, out] += 1
    return shapes


def flops(model: Any, tokens: int) -> int:
    """Return the floating point operations of these products for so many tokens."""
    return sum(2 * tokens * inner * out * count for (inner, out), count in products(model).items())


def seconds(model: Any, tokens: int, dtype: torch.dtype) -> float:
    """Return how long these products take by themselves, each with weights of its own as in the model."""
    device = model.get_input_embeddings().weight.device
    total = 0.0
    for (inner, out), count in products(model).items():
        x = torch.randn(tokens, inner, device=device).to(dtype)
        weights = [torch.randn(out, inner, device=device).to(dtype) for _ in range(min(count, 30))]
        times = []
        for _ in range(5):
            started = perf_counter()
            for weight in weights:
                nn.functional.linear(x, weight)
            if device.type == "cuda":
                torch.cuda.synchronize()
            times.append((perf_counter() - started) / len(weights))
        total += count * min(times)
    return total
