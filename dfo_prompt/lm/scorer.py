"""Scores texts under soft prompts with the fastest engine that is exact for the model."""

import torch
from torch import Tensor

from dfo_prompt.lm.answers import Reader, head_is_plain
from dfo_prompt.lm.encoding import Encoded
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.precision import Precision
from dfo_prompt.lm.runs import REFUSALS, Runs
from dfo_prompt.lm.shortcuts import cache_is_exact, fastest_engine, head_is_narrow
from dfo_prompt.lm.strategies import Batcher, Engine, Strategy, strategy_of


class Scorer:
    """Scores soft prompts with a language model by its fastest exact engine.

    Args:
        lm: the model; engines are checked on it in float32.
        precision: precision of the forward passes; float32 by default.
    """

    def __init__(self, lm: LanguageModel, precision: Precision | None = None) -> None:
        self._lm = lm
        self._precision = precision or Precision(model=lm.model)
        self.model = self._precision.model
        self._runs = Runs(self.model)
        self._strategies: dict[Engine, Strategy] = {}
        self._batcher = Batcher()

    @torch.inference_mode()
    def score(self, prompts: Tensor, texts: Encoded, reader: Reader) -> Tensor:
        """Return the values (B, N, K) that a reader reads for N texts under each prompt, in float32.

        Args:
            prompts: (B, P, E), or (B, H, P, E) with a prompt for each of the H layers.
            texts: N examples.
            reader: reader of K values per text.
        """
        prompts = (prompts if prompts.dim() == 4 else prompts[:, None]).to(self._runs.embed.weight.dtype)  # noqa: PLR2004
        strategy = self._strategy(self.engine(texts, prompt_tokens=prompts.shape[2]))
        with self._precision.context():
            return self._batcher.scores(strategy, prompts, texts, reader)

    def engine(self, texts: Encoded, *, prompt_tokens: int) -> Engine:
        """Return the name of the engine that scores texts under prompts of P tokens."""
        return fastest_engine(self._lm, texts, prompt_tokens=prompt_tokens)

    def cache_is_exact(self, tokens: int) -> bool:
        """Tell whether rows of up to this many tokens can grow behind cached keys and values; see `shortcuts`."""
        return cache_is_exact(self._lm, tokens)

    @property
    def narrow(self) -> bool:
        """Tell whether logits can be computed only at the slots; see `answer_logits`."""
        return head_is_narrow(self._lm)

    @torch.inference_mode()
    def has_plain_head(self, ids: Tensor) -> bool:
        """Tell whether the logits of label words (token ids (C,)) are a linear map of the last hidden states."""
        if self._lm.head != "causal":
            return False
        try:
            with self._precision.context():
                return head_is_plain(self.model, ids)
        except REFUSALS:  # the model does not accept such a row
            return False

    def _strategy(self, engine: Engine) -> Strategy:
        if engine not in self._strategies:
            self._strategies[engine] = strategy_of(self._lm, engine, self._runs)
        return self._strategies[engine]
