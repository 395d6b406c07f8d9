"""Keys and values of what lies ahead of a packed row's texts, computed once and read under every prompt."""

import torch
from torch import Tensor, nn


class Past:
    """The keys and values (N', H, L0, D) of N' texts, padded on the right, of each attention layer.

    Each layer holds a buffer with room behind the L0 tokens, into which those of a run are written: nothing that is kept is
    copied from run to run.
    """

    def __init__(self) -> None:
        self._kept: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        self._length = 0

    def keep(self, layer: nn.Module, keys: Tensor, values: Tensor) -> None:
        """Keep the keys and values (N', H, L0, D) of a layer, in the precision in which attention reads them."""
        self._length = keys.shape[2]
        self._kept[layer] = (_as_read(keys).contiguous(), _as_read(values).contiguous())

    def with_more(self, layer: nn.Module, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return what was kept with the keys and values (N', H, L', D) of a run behind it, until the next run."""
        needed = self._length + keys.shape[2]
        kept = self._kept[layer]
        if kept[0].shape[2] < needed:
            kept = self._kept[layer] = (self._roomier(kept[0], needed), self._roomier(kept[1], needed))
        both = (kept[0][:, :, :needed], kept[1][:, :, :needed])
        for whole, new in zip(both, (keys, values), strict=True):
            whole[:, :, self._length :] = new
        return both

    def _roomier(self, kept: Tensor, length: int) -> Tensor:
        count, heads, _, width = kept.shape
        wider = kept.new_empty((count, heads, length, width))
        wider[:, :, : self._length] = kept[:, :, : self._length]
        return wider


def _as_read(x: Tensor) -> Tensor:
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x
