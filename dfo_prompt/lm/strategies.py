"""The engines, equivalent strategies to run texts under prompts, and their batches within memory."""

from collections.abc import Sequence
from typing import Literal, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from dfo_prompt.lm.answers import Reader
from dfo_prompt.lm.cached import Cached
from dfo_prompt.lm.encoding import Bucket, Encoded
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.memory import out_of_memory
from dfo_prompt.lm.packed import Packed
from dfo_prompt.lm.packing import takes_packed_rows
from dfo_prompt.lm.plain import Plain
from dfo_prompt.lm.runs import Runs

Engine = Literal["packed", "cached", "plain", "unpadded", "single"]

MOST_TOKENS = 8192
"""The largest number of text tokens that run together; more are not faster."""


class Strategy(Protocol):
    """Runs texts under prompts."""

    def arrange(self, bucket: Bucket) -> Sequence[Bucket]:
        """Cut a bucket into parts that can run together."""

    def take(self, waiting: list[Bucket], most_tokens: int) -> list[Bucket]:
        """Return the first buckets that run together, with at most `most_tokens` tokens if there are several."""

    def score(self, prompts: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        """Return the scores (B, N', K) of some buckets of the texts under prompts (B, H', P, E)."""


def engines_of(lm: LanguageModel) -> tuple[Engine, ...]:
    """Return the engines for a model, fastest first; the last is exact for every model."""
    shared: tuple[Engine, ...] = ("cached",) if lm.head == "causal" else ()
    if lm.head == "causal" and takes_packed_rows(lm.model):
        shared = ("packed", *shared)
    return (*shared, "plain", "unpadded", "single")


def strategy_of(lm: LanguageModel, engine: Engine, runs: Runs) -> Strategy:
    """Build the strategy of an engine for `runs`, which holds the model or a copy in another precision."""
    if engine == "packed":
        return Packed(runs)
    if engine == "cached":
        return Cached(runs)
    return Plain(runs, rows=engine, mask=lm.head != "causal")


class Batcher:
    """Runs as many texts together as memory allows, and keeps the limit for later calls."""

    def __init__(self) -> None:
        self._most_tokens = MOST_TOKENS
        # Strategies keep keys and values by bucket, so that a bucket's parts must be the same ones in every call.
        self._parts: WeakKeyDictionary[Bucket, dict[Strategy, tuple[Bucket, ...]]] = WeakKeyDictionary()

    def scores(self, strategy: Strategy, prompts: Tensor, texts: Encoded, reader: Reader) -> Tensor:
        """Return the scores (B, N, K) of texts under prompts (B, H', P, E)."""
        while True:
            try:
                return self._scores(strategy, prompts, texts, reader)
            except RuntimeError as error:
                if not (self._most_tokens and out_of_memory(error)):
                    raise
                # Start over, so that the first query is split like later ones.
                self._most_tokens //= 2
                self._parts.clear()

    def _scores(self, strategy: Strategy, prompts: Tensor, texts: Encoded, reader: Reader) -> Tensor:
        scores = torch.empty((len(prompts), texts.count, reader.width), device=prompts.device)
        waiting = [part for bucket in texts.buckets for part in self._parts_of(bucket, strategy)]
        while waiting:
            taken = strategy.take(waiting, self._most_tokens)
            scores[:, torch.cat([bucket.rows for bucket in taken])] = strategy.score(prompts, texts, taken, reader)
            waiting = waiting[len(taken) :]
        return scores

    def _parts_of(self, bucket: Bucket, strategy: Strategy) -> tuple[Bucket, ...]:
        known = self._parts.setdefault(bucket, {})
        if strategy in known:
            return known[strategy]
        parts = tuple(part for whole in strategy.arrange(bucket) for part in whole.split(self._most_tokens))
        if parts != (bucket,):  # a bucket that refers to itself would never be freed
            known[strategy] = parts
        return parts
