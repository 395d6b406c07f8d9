"""The cached keys and values of the tokens ahead of a packed row's texts, computed once for all candidates."""

import torch
from torch import Tensor, nn


class Past:
    """The keys and values (N', H, L0, D) of N' texts, padded on the right, in each attention layer.

    Each layer's buffer has room behind the L0 tokens for the keys and values of a pass, so that no pass copies cached ones.
    """

    def __init__(self) -> None:
        self._kept: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        self._length = 0

    def keep(self, layer: nn.Module, keys: Tensor, values: Tensor) -> None:
        """Store the keys and values (N', H, L0, D) of a layer, in the precision in which attention reads them."""
        self._length = keys.shape[2]
        self._kept[layer] = (_as_read(keys).contiguous(), _as_read(values).contiguous())

    def with_more(self, layer: nn.Module, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the stored keys and values, followed by those of a pass, (N', H, L', D); valid until the next pass."""
        needed = self._length + keys.shape[2]
        kept = self._kept[layer]
        if kept[0].shape[2] < needed:
            kept = self._kept[layer] = (self._enlarged(kept[0], needed), self._enlarged(kept[1], needed))
        both = (kept[0][:, :, :needed], kept[1][:, :, :needed])
        for buffer, new in zip(both, (keys, values), strict=True):
            buffer[:, :, self._length :] = new
        return both

    def _enlarged(self, kept: Tensor, length: int) -> Tensor:
        count, heads, _, width = kept.shape
        buffer = kept.new_empty((count, heads, length, width))
        buffer[:, :, : self._length] = kept[:, :, : self._length]
        return buffer


def _as_read(x: Tensor) -> Tensor:
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x
