"""Reduced precision, where the hardware has it and where it keeps the ranks of this study's candidates."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from dfo_prompt.errors import InputError
from dfo_prompt.types import Vector

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MIN_SPEARMAN = 0.98


@dataclass(frozen=True, kw_only=True)
class Precision:
    """The precision chosen for a study.

    Attributes:
        model: the model in it; `context` opens what its forwards run in.
        dtype: of the matrix products; activations between layers, norms and the label logits stay float32.
        spearman: rank correlation with float32 on the probe; None where nothing was probed, or all losses were the same.
    """

    model: PreTrainedModel
    context: Callable[[], AbstractContextManager[object]] = nullcontext
    dtype: str = "float32"
    spearman: float | None = None


def choose_precision(model: PreTrainedModel, dtype: str, probe: Callable[[Precision], Vector]) -> Precision:
    """Choose the precision of a study.

    Args:
        model: in float32.
        dtype: a name in `DTYPES`, taken as it is; or "auto": bfloat16, if the hardware multiplies matrices faster in it
            and the losses of the probe correlate with those in float32 by `MIN_SPEARMAN` in rank.
        probe: losses (K,) of some candidates in a precision.

    Raises:
        InputError: the name is unknown.
    """
    if dtype not in ("auto", *DTYPES):
        raise InputError(f"unknown dtype {dtype!r}; known: auto, {', '.join(DTYPES)}")
    full = Precision(model=model)
    if dtype == "float32" or (dtype == "auto" and not has_bfloat16(model.device)):
        return full
    name = "bfloat16" if dtype == "auto" else dtype
    reduced = _reduced(model, name)
    if dtype != "auto":
        return reduced
    spearman = float(spearmanr(probe(full), probe(reduced)).statistic)
    chosen = reduced if spearman >= MIN_SPEARMAN else full  # NaN is not
    return replace(chosen, spearman=round(spearman, 3) if np.isfinite(spearman) else None)


def _reduced(model: PreTrainedModel, dtype: str) -> Precision:
    kind = DTYPES[dtype]
    copy = deepcopy(model)
    head = copy.get_output_embeddings()
    cast = _CastOnce(kind)
    for module in copy.modules():
        # The head may share its weight with the embeddings, and its few label rows cost nothing.
        if isinstance(module, nn.Linear | Conv1D) and module is not head:
            module.to(kind)
            module.register_forward_pre_hook(cast)
    # Autocast meets weights that need no cast, and leaves the residual stream in float32.
    return Precision(model=copy, context=partial(torch.autocast, model.device.type, dtype=kind), dtype=dtype)


class _CastOnce:
    """Casts what goes into a product, once where several products take the same input, such as queries, keys and values."""

    def __init__(self, kind: torch.dtype) -> None:
        self._kind = kind
        self._last = (torch.empty(0), torch.empty(0))

    def __call__(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the inputs of a product in reduced precision."""
        given, *rest = inputs
        if given.dtype == self._kind:
            return inputs
        if self._last[0] is not given:
            self._last = (given, given.to(self._kind))
        return (self._last[1], *rest)


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether the hardware multiplies matrices faster in bfloat16 than in float32."""
    # Asked of the hardware, not timed: the same study has to run the same way beside whatever else the machine does.
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        # A processor with AVX-512's products in bfloat16 and no AMX was slower with them than in float32, by 1.5 times.
        return bool(capabilities.get("amx_bf16"))
    return False
