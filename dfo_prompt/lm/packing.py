"""Attention over many texts packed into one row behind a shared prefix, without padding.

The row is [prefix] [text 1] [text 2] ...; each text attends to the prefix and itself. All computations per token run in one
pass without padding, as large matrix products; only attention handles texts separately, padded in groups of similar length.
A packed text may also continue a text of its own that ran before, whose keys and values attention reads from a `Past`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from dfo_prompt.lm.past import Past

IMPLEMENTATION = "dfo_prompt_packed"
TOLERANCE = 1e-3
"""The tolerance for hidden states of packed texts, relative to the largest."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Texts of similar length in a packed row.

    Attributes:
        places: (N', L') index of each token in the row; 0 for padding.
        tokens: two tensors (T',), the text and the place in it of each token that is no padding.
        starts: (N',) position id of each text's first token.
        distance: (L', P' + L') number of tokens from each token back to those of the prefix and of its text; or
            (N', L', L0 + L') to those of its own past and of its text. Negative distances are masked.
        past: keys and values that the texts continue, if any.
        kept: store for the keys and values of these texts, to be the past of others, if any.
    """

    places: Tensor
    tokens: tuple[Tensor, Tensor]
    starts: Tensor
    distance: Tensor
    past: Past | None = None
    kept: Past | None = None

    def to(self, device: torch.device) -> "Group":
        """Return the group on a device: the layers of a sharded model are on several."""
        if self.places.device == device:
            return self
        places, starts, distance = (x.to(device) for x in (self.places, self.starts, self.distance))
        texts, steps = (x.to(device) for x in self.tokens)
        return replace(self, places=places, tokens=(texts, steps), starts=starts, distance=distance)


@dataclass(frozen=True, kw_only=True)
class Pack:
    """One packed row.

    Attributes:
        prefix: P', the number of tokens that all texts attend to.
        groups: groups of texts, in the order of the row.
    """

    prefix: int
    groups: tuple[Group, ...]

    @property
    def positions(self) -> Tensor:
        """Return the position ids (1, T) of the tokens in the row."""
        device = self.groups[0].places.device
        parts = [torch.arange(self.prefix, device=device)]
        parts += [g.starts[texts] + steps for g in self.groups for texts, steps in (g.tokens,)]
        return torch.cat(parts)[None]


def pack(lengths: Sequence[Sequence[int]], prefix: int, device: torch.device) -> Pack:
    """Lay out groups of texts of the given lengths behind a prefix."""
    groups, start = [], prefix
    for group in lengths:
        places, tokens = _in_row(group, start)
        steps = torch.arange(prefix + places.shape[1])
        distance = steps[prefix:, None] - steps
        starts = torch.full((len(group),), prefix)
        groups.append(Group(places=places, tokens=tokens, starts=starts, distance=distance).to(device))
        start += sum(group)
    return Pack(prefix=prefix, groups=tuple(groups))


def pack_behind(pasts: Sequence[tuple[Past, Sequence[int]]], lengths: Sequence[Sequence[int]], device: torch.device) -> Pack:
    """Lay out groups of texts of the given lengths, each text behind its own past.

    Args:
        pasts: the past of each group, and the number of its tokens for each text.
        lengths: lengths of each group's texts.
        device: device of the row.
    """
    groups, start = [], 0
    for (past, before), group in zip(pasts, lengths, strict=True):
        places, tokens = _in_row(group, start)
        starts, steps, ahead = torch.tensor(before), torch.arange(places.shape[1]), torch.arange(max(before))
        behind = (starts[:, None] + steps)[:, :, None] - ahead  # (N', L', L0)
        behind = torch.where(ahead < starts[:, None, None], behind, -1)
        own = (steps[:, None] - steps).expand(len(group), -1, -1)
        distance = torch.cat([behind, own], dim=2)
        groups.append(Group(places=places, tokens=tokens, starts=starts, distance=distance, past=past).to(device))
        start += sum(group)
    return Pack(prefix=0, groups=tuple(groups))


def _in_row(lengths: Sequence[int], start: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return `Group.places` and `Group.tokens` of texts that begin at `start`."""
    steps, starts = torch.arange(max(lengths)), start + torch.tensor([0, *lengths[:-1]]).cumsum(0)
    real = steps < torch.tensor(lengths)[:, None]
    # Indices, where a mask would do: selecting by a mask makes a GPU wait for the number of tokens, in every layer.
    text, step = real.nonzero(as_tuple=True)
    return torch.where(real, starts[:, None] + steps, 0), (text, step)


@contextmanager
def packed(layout: Pack) -> Iterator[None]:
    """Let models prepared by `enable_packing` attend as `layout` describes, inside a `with` block."""
    token = _layout.set(layout)
    try:
        yield
    finally:
        _layout.reset(token)


def enable_packing(model: PreTrainedModel) -> bool:
    """Prepare a causal model for packed rows if its hidden states agree with those of single texts.

    Outside `packed`, the model works as before. A trial on a few token ids decides, so nothing needs to be known about model
    families: those with attention or positions of their own differ in the trial and are left unchanged.

    Returns:
        Whether the model takes packed rows.
    """
    if model.config._attn_implementation != "sdpa":
        return False
    expected = _unpacked_states(model)
    AttentionInterface.register(IMPLEMENTATION, _attention)
    AttentionMaskInterface.register(IMPLEMENTATION, _mask)
    model.set_attn_implementation(IMPLEMENTATION)
    try:
        # A model that depends on the name of its attention must agree without packing, too.
        if _agree(_unpacked_states(model), expected) and _agree(_packed_states(model), expected):
            return True
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError):
        pass  # the model does not accept such a row
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
        ahead = _attend(query[:, :, :p], key[:, :, :p], value[:, :, :p], _visible(steps[:, None] - steps, window), scale)
        parts.append(ahead[0].transpose(0, 1))  # (P', H, D)
    for group in (part.to(query.device) for part in layout.groups):
        q, k, v = (_gather(x, group.places) for x in (query, key, value))  # (N', H, L', D)
        if group.kept:
            group.kept.keep(module, k, v)
        if group.past:
            k, v = group.past.with_more(module, k, v)
        elif p:
            k, v = (torch.cat([x[:, :, :p].expand(len(y), -1, -1, -1), y], dim=2) for x, y in ((key, k), (value, v)))
        texts = _attend(q, k, v, _visible(group.distance, window), scale)
        parts.append(texts.transpose(1, 2)[group.tokens])  # (T', H, D)
    return torch.cat(parts)[None], None


def _gather(row: Tensor, places: Tensor) -> Tensor:
    tokens = row[0].transpose(0, 1)  # (T, H, D)
    chosen = tokens.index_select(0, places.flatten())  # ten times as fast as tokens[places] on a CPU
    return chosen.view(*places.shape, *tokens.shape[1:]).transpose(1, 2)


def _attend(q: Tensor, k: Tensor, v: Tensor, visible: Tensor, scale: float | None) -> Tensor:
    # Query heads that share a key head are stacked: fewer and larger products than with repeated keys.
    count, heads, length, width = q.shape
    shared = heads // k.shape[1]
    rows = q.reshape(count, k.shape[1], shared * length, width)
    mask = visible.repeat(shared, 1) if visible.dim() == 2 else visible.repeat(1, shared, 1)[:, None]  # noqa: PLR2004
    # Not a view: on CUDA, results have other strides.
    return scaled_dot_product_attention(rows, k, v, attn_mask=mask, scale=scale).reshape(q.shape)


def _visible(distance: Tensor, window: int | None) -> Tensor:
    return (distance >= 0) & (distance < window) if window else distance >= 0


def _mask(*arguments: Any, **options: Any) -> Tensor | None:
    return sdpa_mask(*arguments, **options) if _layout.get() is None else None


PREFIX, TEXTS = [3, 5, 4], [[6, 3, 7], [4], [5, 6, 3, 4, 7]]
"""Token ids of the trial of packed rows."""


@torch.inference_mode()
def _unpacked_states(model: Any) -> Tensor:
    """Return the last hidden states of the trial's texts, each run in a row of its own."""
    device = model.get_input_embeddings().weight.device
    rows = [torch.tensor([PREFIX + text], device=device) for text in TEXTS]
    hidden = [model.base_model(input_ids=row, use_cache=False).last_hidden_state for row in rows]
    return torch.cat([states[0, len(PREFIX) :] for states in hidden])


@torch.inference_mode()
def _packed_states(model: Any) -> Tensor:
    """Return the last hidden states of the trial's texts, run in one packed row."""
    device = model.get_input_embeddings().weight.device
    layout = pack([[len(text) for text in TEXTS]], len(PREFIX), device)
    row = torch.tensor([[*PREFIX, *(token for text in TEXTS for token in text)]], device=device)
    embeds = model.get_input_embeddings()(row)
    with packed(layout):
        hidden = model.base_model(inputs_embeds=embeds, position_ids=layout.positions, use_cache=False).last_hidden_state
    texts: Tensor = hidden[0, len(PREFIX) :]
    return texts


def _agree(states: Tensor, expected: Tensor) -> bool:
    return torch.allclose(states, expected, atol=TOLERANCE * expected.abs().max().item())
