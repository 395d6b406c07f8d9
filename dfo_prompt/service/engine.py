"""Answers requests with an objective: scores candidates and labels texts; see `Worker` for how requests are run."""

from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException

from dfo_prompt.contracts.objective import Evaluation, Objective, Validated
from dfo_prompt.contracts.usage import currencies
from dfo_prompt.errors import InputError
from dfo_prompt.service.clients import Client
from dfo_prompt.service.gathering import Gathering
from dfo_prompt.service.lost import Lost
from dfo_prompt.service.store import Store
from dfo_prompt.service.wire import TOLD, About, Block, EvaluationRequest, PredictionRequest, numbers, unpack
from dfo_prompt.service.worker import Key, Worker
from dfo_prompt.study.checked_objective import checked_evaluation, checked_probabilities
from dfo_prompt.types import Matrix, Vector


class Engine(Worker):
    """The objective of a service and its pending requests.

    Args:
        objective: the objective; called in one thread only.
        about: the service's description of the objective, with its limits.
        store: the store of answers and charges.
        gather: whether to evaluate training candidates of several requests in one batch.
    """

    def __init__(self, objective: Objective, about: About, store: Store, *, gather: bool = False) -> None:
        super().__init__(about.limits, store)
        self.about, self.objective, self._lost = about, objective, Lost(objective, about.objective)
        self._gathering = Gathering(objective, most=about.limits.candidates, lost=self._lost) if gather else None

    async def evaluate(self, client: Client, request: EvaluationRequest) -> dict[str, Any]:
        """Return the losses and metrics of candidates, once for each id.

        Raises:
            HTTPException: 402, 409, 413, 422, 429, 500 or 503 with a reason.
        """
        self._check(request.fingerprint)
        candidates, key = self._candidates(request), (client.name, request.id)

        def announce() -> None:
            if self._gathering and candidates is not None and request.split == "train":
                self._gathering.announce(key, candidates)

        return await self.once(
            client,
            request,
            1 if candidates is None else len(candidates),
            lambda: self._score(key, request.split, candidates),
            queued=announce,
            committed=lambda: self._lost.forget(key),
        )

    async def predict(self, client: Client, request: PredictionRequest) -> dict[str, Any]:
        """Return the class probabilities of texts; charged as one candidate.

        Raises:
            HTTPException: as `evaluate`, or 404 if the objective labels no texts.
        """
        self._check(request.fingerprint)
        if not self.about.classes:
            raise HTTPException(404, f"objective {self.about.objective!r} labels no texts")
        (candidate,) = self.unpacked(request.candidates, most=1)
        self.check_count(request.texts)
        return await self.once(client, request, 1, lambda: self.label(candidate, request.texts))

    def label(self, candidate: Vector, texts: Sequence[Sequence[str]]) -> dict[str, Any]:
        """Return the classes, and the probabilities (N, C) of N examples under a candidate (d,); for the worker thread.

        Raises:
            PluginError: the objective breaks its contract.
        """
        objective: Any = self.objective  # labels texts, as `about` has classes
        classes, examples = self.about.classes, [tuple(text) for text in texts]
        found = checked_probabilities(objective.predict(candidate, examples), len(texts), len(classes))
        return {"classes": [*classes], "probabilities": [numbers(row) for row in found]}

    def check_count(self, texts: Sequence[object]) -> None:
        """Check the number of texts of a request.

        Raises:
            HTTPException: 413.
        """
        if len(texts) > (most := self.about.limits.texts):
            raise HTTPException(413, f"{len(texts)} texts; at most {most} a request")

    def _check(self, fingerprint: str) -> None:
        if fingerprint not in ("", self.about.fingerprint):
            raise HTTPException(409, f"this is the objective {self.about.fingerprint}, not {fingerprint[:64]}")

    def _candidates(self, request: EvaluationRequest) -> Matrix | None:
        if request.split not in self.about.splits:
            raise HTTPException(422, f"there is no split {request.split!r}; there is {', '.join(self.about.splits)}")
        if request.candidates is not None:
            return self.unpacked(request.candidates, most=self.about.limits.candidates)
        if request.split == "train":
            raise HTTPException(422, "candidates may be null on held-out examples only")
        return None

    def unpacked(self, block: Block, *, most: int) -> Matrix:
        """Return the candidates (B, d) of a block of at most `most` candidates.

        Raises:
            HTTPException: 413 or 422.
        """
        if block.shape[0] > most:
            raise HTTPException(413, f"{block.shape[0]} candidates; at most {most} a request")
        try:
            return unpack(block, self.about.dim)
        except InputError as error:
            raise HTTPException(422, str(error)) from error

    def _score(self, key: Key, split: str, candidates: Matrix | None) -> dict[str, Any]:
        count = 1 if candidates is None else len(candidates)
        with self._lost.kept({key: count}, split):
            evaluation = checked_evaluation(self._ask(key, split, candidates), count)
        usage = self._lost.add(key, evaluation.usage)
        return {
            "id": key[1],
            "losses": numbers(evaluation.losses),
            "metrics": {name: numbers(values) for name, values in evaluation.metrics.items()},
            "usage": {name: getattr(usage, name) for name in currencies() if name in TOLD},
        }

    def _ask(self, key: Key, split: str, candidates: Matrix | None) -> Evaluation:
        if split == "train" and candidates is not None:
            gathering = self._gathering
            return gathering.evaluate(key, candidates) if gathering else self.objective.evaluate(candidates)
        if not isinstance(self.objective, Validated):
            raise InputError(f"there is no split {split!r}")
        return self.objective.baseline(split) if candidates is None else self.objective.validate(candidates, split)
