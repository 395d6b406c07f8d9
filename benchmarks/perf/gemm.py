"""Measures the matrix products of a query alone, the upper bound for any engine."""

from collections import Counter
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

Products = Counter[tuple[int, int, int, int]]
"""How often products of so many pairs of matrices, (M, K) by (K, N), occur; by (pairs, M, K, N)."""


def linear(model: Any, tokens: int) -> Products:
    """Return the products of every token."""
    head = model.get_output_embeddings()
    shapes: Products = Counter()
    for module in model.modules():
        if isinstance(module, nn.Linear | Conv1D) and module is not head:
            out, inner = module.weight.shape if isinstance(module, nn.Linear) else module.weight.shape[::-1]
            shapes[1, tokens, inner, out] += 1
    return shapes


def attention(model: Any, prefix: int, texts: Sequence[Sequence[int]]) -> Products:
    """Return those of attention: texts, taken to be equally long, see the prefix and themselves, the prefix itself."""
    heads, layers = model.config.num_attention_heads, model.config.num_hidden_layers
    width = getattr(model.config, "head_dim", None) or model.config.hidden_size // heads
    length = round(sum(map(len, texts)) / len(texts))
    shapes: Products = Counter()
    for pairs, queries, keys in ((heads * len(texts), length, prefix + length), (heads, prefix, prefix)):
        shapes[pairs, queries, width, keys] += layers
        shapes[pairs, queries, keys, width] += layers
    return shapes


def flops(products: Products) -> int:
    """Return their floating point operations."""
    return sum(2 * pairs * m * k * n * count for (pairs, m, k, n), count in products.items())


def seconds(products: Products, dtype: torch.dtype, device: torch.device) -> float:
    """Return the time of the products alone, each with its own weights as in the model."""
    total = 0.0
    for (pairs, m, k, n), count in products.items():
        x = torch.randn(pairs, m, k, device=device).to(dtype)
        others = [torch.randn(pairs, n, k, device=device).to(dtype).transpose(1, 2) for _ in range(min(count, 30))]
        times = []
        for _ in range(5):
            started = perf_counter()
            for other in others:
                x[0] @ other[0] if pairs == 1 else x @ other
            if device.type == "cuda":
                torch.cuda.synchronize()
            times.append((perf_counter() - started) / len(others))
        total += count * min(times)
    return total
