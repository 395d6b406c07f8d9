"""The engine, which scores texts under soft prompts and passes only answer positions to the head."""

import torch
from torch import Tensor

from dfo_prompt.lm.answers import Reader, head_is_plain
from dfo_prompt.lm.encoding import Encoded
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.precision import Precision
from dfo_prompt.lm.runs import REFUSALS, Runs
from dfo_prompt.lm.shortcuts import fastest_engine, head_is_narrow
from dfo_prompt.lm.strategies import Engine, Room, Strategy, strategy_of


class Scorer:
    """Scores soft prompts with a language model by its fastest exact engine.

    Args:
        lm: the model, on which engines are checked in float32.
        precision: of the forwards; float32 by default.
    """

    def __init__(self, lm: LanguageModel, precision: Precision | None = None) -> None:
        self._lm = lm
        self._precision = precision or Precision(model=lm.model)
        self.model = self._precision.model
        self._runs = Runs(self.model)
        self._strategies: dict[Engine, Strategy] = {}
        self._room = Room()

    @torch.inference_mode()
    def score(self, prompts: Tensor, texts: Encoded, reader: Reader) -> Tensor:
        """Return the figures that `reader` reads of N texts under each prompt, (B, N, K), in float32.

        Args:
            prompts: (B, P, E), or (B, H, P, E) with a prompt for each of the H layers.
            texts: N examples.
            reader: of K figures a text.
        """
        prompts = (prompts if prompts.dim() == 4 else prompts[:, None]).to(self._runs.embed.weight.dtype)  # noqa: PLR2004
        strategy = self._strategy(self.engine(texts, prompt_tokens=prompts.shape[2]))
        with self._precision.context():
            return self._room.scores(strategy, prompts, texts, reader)

    def engine(self, texts: Encoded, *, prompt_tokens: int) -> Engine:
        """Return the name of the engine that scores texts under prompts of P tokens."""
        return fastest_engine(self._lm, texts, prompt_tokens=prompt_tokens)

    @property
    def narrow(self) -> bool:
        """Tell whether logits are computed at answers alone; see `answer_logits`."""
        return head_is_narrow(self._lm)

    @torch.inference_mode()
    def has_plain_head(self, ids: Tensor) -> bool:
        """Tell whether a decoder's label-word logits (token ids (C,)) can be had from the last hidden states alone."""
        if self._lm.head != "causal":
            return False
        try:
            with self._precision.context():
                return head_is_plain(self.model, ids)
        except REFUSALS:  # it takes no such row
            return False

    def _strategy(self, engine: Engine) -> Strategy:
        if engine not in self._strategies:
            self._strategies[engine] = strategy_of(self._lm, engine, self._runs)
        return self._strategies[engine]
