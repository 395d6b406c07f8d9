"""Greedy generation under a soft prompt."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from dfo_prompt.lm.answers import answer_logits
from dfo_prompt.lm.cached import cached_inputs
from dfo_prompt.lm.layout import Layout
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.memory import out_of_memory
from dfo_prompt.lm.precision import Precision
from dfo_prompt.lm.references import LINE_END, lay_out_texts, rule_of, stops
from dfo_prompt.lm.runs import Runs
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.strategies import MOST_TOKENS
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.task import Task


class Greedy:
    """Generates answers to texts, as `generate` of transformers does without sampling and penalties.

    Texts of equal length run together without padding, so that an answer does not depend on other texts.

    Args:
        lm: a decoder-only model.
        task: template, and rule for the end of answers.
        scorer: checks whether keys and values can be cached between tokens.
        precision: precision of the forward passes.
    """

    def __init__(self, lm: LanguageModel, task: Task, scorer: Scorer, precision: Precision) -> None:
        self._lm, self._task, self._rule = lm, task, rule_of(task)
        self._scorer, self._precision = scorer, precision
        self._runs = Runs(precision.model)
        self._most_tokens = MOST_TOKENS
        self._stops = torch.tensor(sorted(stops(lm, self._rule)), device=lm.device)

    @torch.inference_mode()
    def ids(self, prompt: Tensor, layouts: Sequence[Layout]) -> list[list[int]]:
        """Return the tokens of each answer, including its end, under a prompt (P, E), or (H, P, E) for all layers."""
        prompt = (prompt if prompt.dim() == 3 else prompt[None]).to(self._runs.embed.weight.dtype)  # noqa: PLR2004
        with self._precision.context():
            while True:
                try:
                    return self._ids(prompt, layouts)
                except RuntimeError as error:
                    if not (self._most_tokens and out_of_memory(error)):
                        raise
                    self._most_tokens //= 2  # kept for later calls

    def lay_out(self, texts: Texts, *, prompt_tokens: int) -> list[Layout]:
        """Lay out texts for `ids`; see `lay_out_texts`."""
        return lay_out_texts(self._lm, self._task, texts, prompt_tokens=prompt_tokens)

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of an answer's tokens, without its end and surrounding spaces."""
        text = str(self._lm.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))
        return (text.split(LINE_END, 1)[0] if self._rule.ends == "line" else text).strip()

    def _ids(self, prompt: Tensor, layouts: Sequence[Layout]) -> list[list[int]]:
        answers: list[list[int]] = [[] for _ in layouts]
        for indices in self._batches(layouts, prompt.shape[1]):
            for index, ids in zip(indices, self._batch(prompt, [layouts[i] for i in indices]), strict=True):
                answers[index] = ids
        return answers

    def _batches(self, layouts: Sequence[Layout], prompt_tokens: int) -> list[list[int]]:
        groups = defaultdict(list)
        for index, layout in enumerate(layouts):
            groups[len(layout.left), len(layout.right)].append(index)
        batches = []
        for (left, right), group in sorted(groups.items()):
            most = max(1, self._most_tokens // (left + prompt_tokens + right + self._rule.most_tokens))
            batches += [group[start : start + most] for start in range(0, len(group), most)]
        return batches

    def _batch(self, prompt: Tensor, layouts: Sequence[Layout]) -> list[list[int]]:
        left, right = (
            self._runs.embed(torch.tensor(ids, dtype=torch.long, device=prompt.device))
            for ids in ([layout.left for layout in layouts], [layout.right for layout in layouts])
        )
        inputs = torch.cat([left, prompt[0].expand(len(layouts), -1, -1), right], dim=1)
        cache = self._cache(inputs.shape[1])
        answers, cached = torch.empty((len(layouts), 0), dtype=torch.long, device=prompt.device), 0
        while answers.shape[1] < self._rule.most_tokens and not self._ended(answers).all():
            # After the first pass, the cache holds keys and values of the prompts in all layers.
            with nullcontext() if cached else self._runs.within(prompt, left.shape[1]):
                token = self._next(inputs[:, cached:], cached, cache)
            answers = torch.cat([answers, token[:, None]], dim=1)
            cached = inputs.shape[1] if cache is not None else 0
            inputs = torch.cat([inputs, self._runs.embed(token)[:, None]], dim=1)
        return [self._cut(ids) for ids in answers.tolist()]

    def _cache(self, tokens: int) -> Any:
        """Return an empty cache for rows of this many tokens and their answers, None if a cache would change answers."""
        exact = self._scorer.cache_is_exact(tokens + self._rule.most_tokens)
        return DynamicCache(config=self._runs.model.config) if exact else None

    def _next(self, inputs: Tensor, start: int, cache: Any) -> Tensor:
        rows = torch.arange(len(inputs), device=inputs.device)
        if cache is None:
            arguments = {"inputs_embeds": inputs, **self._runs.uncached}
        else:
            arguments = cached_inputs(inputs, cache, start)
        last = torch.full_like(rows, inputs.shape[1] - 1)
        return answer_logits(self._runs.model, rows, last, arguments, narrow=self._scorer.narrow).float().argmax(dim=-1)

    def _ended(self, answers: Tensor) -> Tensor:
        return torch.isin(answers, self._stops).any(dim=1)

    def _cut(self, ids: list[int]) -> list[int]:
        stop_ids = {*self._stops.tolist()}
        return ids[: next((length for length, token in enumerate(ids, start=1) if token in stop_ids), len(ids))]
