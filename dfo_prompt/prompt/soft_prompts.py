"""The base of objectives of soft prompts: maps candidates to prompts."""

import hashlib
import json
from collections.abc import Callable, Hashable
from functools import cache

import numpy as np
from torch import Tensor

from dfo_prompt.lm.precision import Precision, choose_precision
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.types import Matrix, Vector

PromptMap = Callable[[Matrix], Tensor]
"""Maps candidates (B, d) to soft prompts: (B, P, E), or (B, H, P, E) with a prompt for each layer."""
PROBES = 16
"""The number of candidates that the probe of a reduced precision ranks."""
PROBE_STEP = 0.5
"""The standard deviation of the probe's candidates: half of the default sigma, so that ranking them is harder."""


class SoftPrompts:
    """An objective of soft prompts.

    Attributes:
        problem: model, task and split.
        dim: d.
    """

    problem: Problem
    dim: int
    _projection: PromptMap

    def prompt(self, candidate: Vector) -> Tensor:
        """Return the soft prompt (P, E) of a candidate (d,), or (H, P, E) with one for each layer."""
        return self._projection(candidate[None])[0]

    @property
    def prompt_layers(self) -> int:
        """Return the number of layers that have a prompt."""
        prompt = self.prompt(np.zeros(self.dim))
        return len(prompt) if prompt.dim() == 3 else 1  # noqa: PLR2004

    def _choose_precision(self, dtype: str, losses: Callable[[Precision, Tensor], Vector], *settings: str) -> Precision:
        """Choose the precision in which to score prompts.

        Args:
            dtype: see `choose_precision`.
            losses: returns the losses (K,) of K prompts in a precision.
            settings: what the losses depend on besides the problem and the prompts.
        """

        @cache
        def prompts() -> Tensor:
            return self._projection(PROBE_STEP * np.random.default_rng(0).standard_normal((PROBES, self.dim)))

        def key() -> Hashable:
            digest = hashlib.sha256(prompts().detach().float().cpu().numpy().tobytes()).digest()
            return digest, json.dumps(self.problem.describe(), sort_keys=True), settings

        return choose_precision(self.problem.lm, dtype, lambda precision: losses(precision, prompts()), key=key)
