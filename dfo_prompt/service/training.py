"""Labels texts with the served prompt, stores corrected labels and accepts better prompts.

The service itself scores an offered prompt on dev; it trusts no figures of clients.
"""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from starlette.exceptions import HTTPException

from dfo_prompt._util.parsing import SURROGATE
from dfo_prompt.contracts.objective import Objective, Predictor, Validated
from dfo_prompt.errors import InputError
from dfo_prompt.service.clients import Client
from dfo_prompt.service.collection import Collection, Prompt
from dfo_prompt.service.engine import Engine
from dfo_prompt.service.labels import FeedbackRequest, LabelRequest, PromptRequest
from dfo_prompt.service.wire import numbers
from dfo_prompt.study.candidates import candidate_hash
from dfo_prompt.study.checked_objective import checked_evaluation
from dfo_prompt.types import Vector


@runtime_checkable
class Labelling(Validated, Predictor, Protocol):
    """An objective that labels texts and scores candidates on dev."""


class Training:
    """The served prompt and the feedback for the next one.

    Args:
        engine: runs all calls of the objective and all writes to the store, one after the other.
        collection: the stored feedback and prompts.
        prompt: the first prompt, from `first_prompt`; None serves no prompt.
    """

    def __init__(self, engine: Engine, collection: Collection, prompt: Prompt | None = None) -> None:
        self._engine, self._collection, self._prompt = engine, collection, prompt

    @property
    def prompt(self) -> str:
        """Return the hash of the served candidate; "" without a prompt."""
        return candidate_hash(self._prompt.candidate) if self._prompt else ""

    async def label(self, client: Client, request: LabelRequest) -> dict[str, Any]:
        """Label texts; charged as one candidate.

        Raises:
            HTTPException: as `Engine.evaluate`, or 404 if no prompt is served.
        """
        self._labelling()
        self._engine.check_count(request.texts)

        def work() -> dict[str, Any]:
            prompt = self._served()
            answer = self._engine.label(prompt.candidate, request.texts)
            classes, rows = answer["classes"], answer["probabilities"]
            labels = [None if None in row else classes[int(np.argmax(row))] for row in rows]
            return {"prompt": candidate_hash(prompt.candidate), "labels": labels, **answer}

        self._served()
        return await self._engine.once(client, request, 1, work)

    async def take(self, client: Client, request: FeedbackRequest) -> dict[str, Any]:
        """Store corrected labels; free of charge.

        Raises:
            HTTPException: 404, 409, 413, 422, 429 or 503 with a reason.
        """
        self._engine.check_count(request.texts)
        rows = self._rows(request)

        def work() -> dict[str, Any]:
            new = self._collection.take(client.name, request.id, request.digest, rows)
            if new is None:
                raise HTTPException(409, "the id was used for another request")
            return {"id": request.id, "taken": len(rows), "replayed": not new}

        return await self._engine.run(client, work)

    async def offer(self, client: Client, request: PromptRequest) -> dict[str, Any]:
        """Score a candidate on dev and serve it from now on if it is better; charged as one candidate.

        Raises:
            HTTPException: as `label`.
        """
        objective = self._labelling()
        (candidate,) = self._engine.unpacked(request.candidate, most=1)
        better: list[Prompt] = []

        def work() -> dict[str, Any]:
            before, offered = self._served(), on_dev(objective, candidate, client.name)
            if offered.beats(before):
                self._collection.serve(offered)
                better.append(offered)
            prompt = candidate_hash([before, *better][-1].candidate)
            figures = {"offered": _figures(offered), "served": _figures(before)}
            return {"metric": objective.metric, **figures, "swapped": bool(better), "prompt": prompt}

        def swap() -> None:
            for prompt in better:
                self._prompt = prompt

        self._served()
        return await self._engine.once(client, request, 1, work, committed=swap)

    def examples(self) -> list[dict[str, str]]:
        """Return all corrected labels."""
        return [*self._collection.examples()]

    def _served(self) -> Prompt:
        if self._prompt is None:
            raise HTTPException(404, "no prompt is served; start the service with --from STUDY")
        return self._prompt

    def _labelling(self) -> Labelling:
        if not isinstance(self._engine.objective, Labelling):
            raise HTTPException(404, f"objective {self._engine.about.objective!r} labels no texts")
        return self._engine.objective

    def _rows(self, request: FeedbackRequest) -> list[dict[str, str]]:
        classes, fields = self._labelling().classes, self._engine.about.fields
        if len(request.labels) != len(request.texts):
            raise HTTPException(422, f"{len(request.labels)} labels for {len(request.texts)} examples")
        if unknown := sorted({*request.labels} - {*classes}):
            raise HTTPException(422, f"labels: {unknown[0][:60]!r} is no class; known: {', '.join(classes)}")
        for texts in request.texts:
            if len(texts) != len(fields):
                raise HTTPException(422, f"texts: an example has {len(texts)} texts; it takes {', '.join(fields)}")
            if any(not text.strip() or SURROGATE.search(text) for text in texts):
                raise HTTPException(422, "texts: a text is empty, or holds half of a surrogate pair")
        pairs = zip(request.texts, request.labels, strict=True)
        return [{**dict(zip(fields, texts, strict=True)), "label": label} for texts, label in pairs]


def first_prompt(objective: Objective, candidate: Vector, collection: Collection) -> Prompt:
    """Return the better prompt on dev of a study's answer (d,) and the prompt that was served last.

    Raises:
        InputError: the objective labels no texts, or the candidate has no score on dev.
    """
    if not isinstance(objective, Labelling):
        raise InputError("the study tunes no prompt, so there is nothing to label texts with")
    first, last = on_dev(objective, candidate), collection.served()
    if not np.isfinite([first.score, first.loss]).all():
        raise InputError("the answer of the study has no score on dev; choose another study")
    before = on_dev(objective, last) if last is not None else None
    if before and not first.beats(before):
        return before
    with collection.store.writer:
        collection.serve(first)
    return first


def on_dev(objective: Validated, candidate: Vector, client: str = "") -> Prompt:
    """Score a candidate (d,) on dev; missing and non-finite figures lose against all others."""
    evaluation = checked_evaluation(objective.validate(candidate[None], "dev"), 1)
    metric = evaluation.metrics.get(objective.metric, np.array([np.nan]))
    score, loss = float(metric[0]), float(evaluation.losses[0])
    finite = bool(np.isfinite([score, loss]).all())
    return Prompt(candidate=candidate, client=client, score=score if finite else -np.inf, loss=loss if finite else np.inf)


def _figures(prompt: Prompt) -> dict[str, Any]:
    score, loss = numbers(np.array([prompt.score, prompt.loss]))
    return {"prompt": candidate_hash(prompt.candidate), "score": score, "loss": loss}
