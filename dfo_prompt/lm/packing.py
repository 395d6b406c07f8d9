"""Attention over many texts packed into one row behind a prefix that they share, without padding or a cache.

The row is [prefix] [text 1] [text 2] ...; each text sees the prefix and itself. All that a model computes token by token
then runs in one pass over exactly the tokens there are, with matrices as large as can be; only attention looks at texts one
by one, and is given them padded, in groups of similar length.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

IMPLEMENTATION = "dfo_prompt_packed"
TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Group:
    """Texts of similar length in a packed row.

    Attributes:
        places: (N', L') of their tokens in the row; padding points at the beginning of the row.
        real: (N', L') whether it is a token, not padding.
        distance: (L', P' + L') how far each token is behind one of the prefix, or of its own text.
    """

    places: Tensor
    real: Tensor
    distance: Tensor

    def to(self, device: torch.device) -> "Group":
        """Return the same on a device: the layers of a sharded model lie on several."""
        if self.places.device == device:
            return self
        return Group(**{name: value.to(device) for name, value in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Pack:
    """One packed row.

    Attributes:
        prefix: P', tokens that all texts see.
        groups: of texts, in the order of the row.
    """

    prefix: int
    groups: tuple[Group, ...]

    @property
    def positions(self) -> Tensor:
        """Return the position of each token of the row, (1, T): texts all begin right behind the prefix."""
        device = self.groups[0].places.device
        parts = [torch.arange(self.prefix, device=device)]
        parts += [self.prefix + torch.arange(g.real.shape[1], device=device).expand_as(g.real)[g.real] for g in self.groups]
        return torch.cat(parts)[None]


def pack(lengths: list[list[int]], prefix: int, device: torch.device) -> Pack:
    """Lay out groups of texts of the given lengths behind a prefix."""
    groups, start = [], prefix
    for group in lengths:
        longest = max(group)
        steps = torch.arange(longest)
        starts = start + torch.tensor([0, *group[:-1]]).cumsum(0)
        real = steps < torch.tensor(group)[:, None]
        places = torch.where(real, starts[:, None] + steps, 0)
        distance = prefix + steps[:, None] - torch.arange(prefix + longest)
        groups.append(Group(places=places, real=real, distance=distance).to(device))
        start += sum(group)
    return Pack(prefix=prefix, groups=tuple(groups))


@contextmanager
def packed(layout: Pack) -> Iterator[None]:
    """Let models prepared by `enable_packing` read their single row as `layout` packs it, inside a `with` block."""
    token = _layout.set(layout)
    try:
        yield
    finally:
        _layout.reset(token)


def enable_packing(model: PreTrainedModel) -> bool:
    """Prepare a causal model for packed rows, if it computes the same with them; elsewhere it works as before.

    It is tried on token ids of its own, so nothing needs to be known about families: those that attend in ways of their
    own, or draw positions from elsewhere, show a difference and stay as they are.
    """
    if model.config._attn_implementation != "sdpa":
        return False
    expected = _alone(model)
    AttentionInterface.register(IMPLEMENTATION, _attention)
    AttentionMaskInterface.register(IMPLEMENTATION, _mask)
    model.set_attn_implementation(IMPLEMENTATION)
    try:
        # A model that asks for its attention by name must give the same where nothing is packed, too.
        if _agree(_alone(model), expected) and _agree(_together(model), expected):
            return True
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError):
        pass  # it takes no such row
    model.set_attn_implementation("sdpa")
    return False


def takes_packed_rows(model: PreTrainedModel) -> bool:
    """Tell whether the model was prepared by `enable_packing`."""
    return bool(model.config._attn_implementation == IMPLEMENTATION)


_layout: ContextVar[Pack | None] = ContextVar("layout", default=None)


def _attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    layout = _layout.get()
    if layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    p, window, scale = layout.prefix, options.get("sliding_window"), options.get("scaling")
    parts = []
    if p:
        steps = torch.arange(p, device=query.device)
        ahead = _attend(query[:, :, :p], key[:, :, :p], value[:, :, :p], _sees(steps[:, None] - steps, window), scale)
        parts.append(ahead[0].transpose(0, 1))  # (P', H, D)
    for group in (one.to(query.device) for one in layout.groups):
        q, k, v = (_gather(x, group.places) for x in (query, key, value))  # (N', H, L', D)
        k, v = (torch.cat([x[:, :, :p].expand(len(y), -1, -1, -1), y], dim=2) for x, y in ((key, k), (value, v)))
        texts = _attend(q, k, v, _sees(group.distance, window), scale)
        parts.append(texts.transpose(1, 2)[group.real])  # (T', H, D)
    return torch.cat(parts)[None], None


def _gather(row: Tensor, places: Tensor) -> Tensor:
    tokens = row[0].transpose(0, 1)  # (T, H, D)
    chosen = tokens.index_select(0, places.flatten())  # ten times as fast as tokens[places] on a CPU
    return chosen.view(*places.shape, *tokens.shape[1:]).transpose(1, 2)


def _attend(q: Tensor, k: Tensor, v: Tensor, sees: Tensor, scale: float | None) -> Tensor:
    # Query heads that share a key head go one below the other: fewer and larger products than with repeated keys.
    count, heads, length, width = q.shape
    shared = heads // k.shape[1]
    rows = q.reshape(count, k.shape[1], shared * length, width)
    return scaled_dot_product_attention(rows, k, v, attn_mask=sees.repeat(shared, 1), scale=scale).view_as(q)


def _sees(distance: Tensor, window: int | None) -> Tensor:
    return (distance >= 0) & (distance < window) if window else distance >= 0


def _mask(*arguments: Any, **options: Any) -> Tensor | None:
    return sdpa_mask(*arguments, **options) if _layout.get() is None else None


PREFIX, TEXTS = [3, 5, 4], [[6, 3, 7], [4], [5, 6, 3, 4, 7]]
"""Token ids that packing is tried on."""


@torch.inference_mode()
def _alone(model: Any) -> Tensor:
    device = model.get_input_embeddings().weight.device
    rows = [torch.tensor([PREFIX + text], device=device) for text in TEXTS]
    hidden = [model.base_model(input_ids=row, use_cache=False).last_hidden_state for row in rows]
    return torch.cat([one[0, len(PREFIX) :] for one in hidden])


@torch.inference_mode()
def _together(model: Any) -> Tensor:
    device = model.get_input_embeddings().weight.device
    layout = pack([[len(text) for text in TEXTS]], len(PREFIX), device)
    row = torch.tensor([[*PREFIX, *(one for text in TEXTS for one in text)]], device=device)
    embeds = model.get_input_embeddings()(row)
    with packed(layout):
        hidden = model.base_model(inputs_embeds=embeds, position_ids=layout.positions, use_cache=False).last_hidden_state
    texts: Tensor = hidden[0, len(PREFIX) :]
    return texts


def _agree(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, atol=TOLERANCE * expected.abs().max().item())
