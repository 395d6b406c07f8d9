"""Finds host synchronization in a pass: where the CPU waits for the GPU, or copies from or to it. CUDA graphs hold none."""

from collections.abc import Mapping, Sequence
from traceback import walk_stack
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
DYNAMIC = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
"""The tags of operations whose results the CPU needs, as a number or as a shape."""
INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}
"""The operations that synchronize if they select by a mask, or by an index on another device."""
COPIES = {aten._to_copy.default, aten.copy_.default}
"""The operations that copy even a tensor of no dimension; to others, such a tensor of the CPU is a number."""
GUARDED = "transformers.masking_utils"
"""The module that reads truth values of tensors, whether a mask hides anything, but not during the capture of a graph."""


class HostSyncs(TorchDispatchMode):
    """Notes operations of this thread that synchronize with the host, by name, inside a `with` block.

    The truth value of a tensor counts, except in `GUARDED`.

    Attributes:
        found: the names, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation, or those that it consists of, and note it if it synchronizes."""
        options = kwargs or {}
        with self:
            result = func.decompose(*args, **options)
        if result is NotImplemented:
            result = func(*args, **options)
            if _synchronizes(func, args, result):
                self.found.append(str(func))
        return result


def _synchronizes(func: Any, args: Sequence[Any], result: Any) -> bool:
    if func in INDEXING:
        indices = [index for index in args[1] if index is not None]
        return any(index.dtype in (torch.bool, torch.uint8) or index.device != args[0].device for index in indices)
    if func is aten._local_scalar_dense.default:
        return args[0].dtype != torch.bool or _caller() != GUARDED
    if func is aten.lift_fresh.default:  # of `torch.tensor`, which has copied its numbers to the device unseen
        return args[0].device.type != "cpu"  # type: ignore[no-any-return]
    given = [x for x in args if isinstance(x, Tensor) and (x.dim() or func in COPIES)]
    copies = isinstance(result, Tensor) and any(x.device != result.device for x in given)
    return copies or not DYNAMIC.isdisjoint(func.tags)


def _caller() -> str:
    """Return the name of the module whose code called torch."""
    names = (str(frame.f_globals.get("__name__")) for frame, _ in walk_stack(None))
    return next(name for name in names if name != __name__ and not name.startswith("torch."))
