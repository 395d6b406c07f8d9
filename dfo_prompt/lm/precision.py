"""Chooses reduced precision if the hardware supports it and it preserves the ranks of candidates."""

import logging
from collections.abc import Callable, Hashable
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

from dfo_prompt.errors import InputError, ModelError
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.types import Vector

logger = logging.getLogger(__name__)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MIN_SPEARMAN = 0.98
"""The smallest rank correlation with float32 at which "auto" chooses bfloat16."""


@dataclass(frozen=True, kw_only=True)
class Precision:
    """The precision chosen for a study.

    Attributes:
        model: the model, converted to this precision.
        context: returns the context for its forward passes.
        dtype: type of the matrix products; activations between layers, norms and logits stay float32.
        spearman: rank correlation with float32 on the probe; None if there was no probe, or its losses were constant.
    """

    model: PreTrainedModel
    context: Callable[[], AbstractContextManager[object]] = nullcontext
    dtype: str = "float32"
    spearman: float | None = None


def choose_precision(
    lm: LanguageModel, dtype: str, probe: Callable[[Precision], Vector], *, key: Callable[[], Hashable] | None = None
) -> Precision:
    """Choose the precision of a study. Studies of a model share its copy in reduced precision.

    Args:
        lm: the model in float32.
        dtype: a name in `DTYPES`; or "auto", for bfloat16 if the hardware multiplies matrices faster in it and the losses of
            the probe have a rank correlation with those in float32 of at least `MIN_SPEARMAN`, else float32.
        probe: returns the losses (K,) of some candidates in a precision.
        key: returns all that the losses of the probe depend on besides the model; studies with equal keys share one probe,
            which in float32 costs as much as a hundred queries. None if they must not.

    Raises:
        InputError: the name is unknown.
        ModelError: the device has no memory for the copy; with "auto", float32 is chosen instead, and a warning logged.
    """
    if dtype not in ("auto", *DTYPES):
        raise InputError(f"unknown dtype {dtype!r}; known: auto, {', '.join(DTYPES)}")
    full = Precision(model=lm.model)
    if dtype == "float32" or (dtype == "auto" and not has_bfloat16(lm.device)):
        return full
    name = "bfloat16" if dtype == "auto" else dtype
    shared = ("precision", name)
    if dtype != "auto":
        if shared not in lm.checked:
            lm.checked[shared] = _copy(lm, name)
        return lm.checked[shared]  # type: ignore[no-any-return]
    known = ("spearman", key()) if key else None
    spearman: float | None = lm.checked.get(known)
    if spearman is None:
        try:
            reduced = lm.checked.get(shared) or _copy(lm, name)
        except ModelError as error:
            logger.warning("%s; this study runs in float32", error)
            return full
        spearman = float(spearmanr(probe(full), probe(reduced)).statistic)
        if known:
            lm.checked[known] = spearman
        if spearman >= MIN_SPEARMAN:  # a copy that is refused is not kept
            lm.checked[shared] = reduced
    chosen: Precision = lm.checked[shared] if spearman >= MIN_SPEARMAN else full  # full for NaN
    return replace(chosen, spearman=round(spearman, 3) if np.isfinite(spearman) else None)


def _copy(lm: LanguageModel, dtype: str) -> Precision:
    """Return a copy of the model in reduced precision.

    Raises:
        ModelError: the device has no memory for it.
    """
    try:
        return _reduced(lm.model, dtype)
    except torch.OutOfMemoryError as error:
        said = f"{lm.device} has no memory for a copy of model {lm.name!r} in {dtype}"
        raise ModelError(f"{said}; choose --dtype float32 or another --device") from error


def _reduced(model: PreTrainedModel, dtype: str) -> Precision:
    torch_dtype = DTYPES[dtype]
    copy = deepcopy(model)
    head = copy.get_output_embeddings()
    cast = _CastOnce(torch_dtype)
    for module in copy.modules():
        # The head may share its weight with the embeddings, and label words need few of its rows. Logits rounded to
        # bfloat16, at 20 to multiples of 1/8, would make classes tie.
        if isinstance(module, nn.Linear | Conv1D) and module is not head:
            module.to(torch_dtype)
            module.register_forward_pre_hook(cast)
    if head is not None:
        keep_in_float32(head)
    # The weights are cast already, so autocast casts none, and it leaves the residual stream in float32.
    return Precision(model=copy, context=partial(torch.autocast, model.device.type, dtype=torch_dtype), dtype=dtype)


def keep_in_float32(head: nn.Module) -> None:
    """Make a head run in float32 under autocast; hooks such as that of `only_answers` still select its hidden states."""
    forward = head.forward

    def in_float32(hidden: Tensor) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            logits: Tensor = forward(hidden.float())
        return logits

    head.forward = in_float32


class _CastOnce:
    """Casts the inputs of linear layers; an input that several layers share, as queries, keys and values do, only once."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._last = (torch.empty(0), torch.empty(0))

    def __call__(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the inputs of a linear layer in reduced precision."""
        x, *rest = inputs
        if x.dtype == self._dtype:
            return inputs
        last = self._last  # another thread may replace it
        if last[0] is not x:
            last = self._last = (x, x.to(self._dtype))
        return (last[1], *rest)


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether the hardware multiplies matrices faster in bfloat16 than in float32."""
    # Not timed: a study must run in the same precision whatever else the machine does.
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        # With AVX-512 products in bfloat16 but without AMX, float32 was 1.5 times faster.
        return bool(capabilities.get("amx_bf16"))
    return False
