"""Requests with an id are handled and charged once; failures are charged nothing, and what they consumed is reported."""

import asyncio
import sqlite3
from contextlib import closing, contextmanager

import numpy as np
import pytest
from fakes import HeldOutBowl
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from dfo_prompt.config.reading import parse_config
from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import OutageError
from dfo_prompt.service.app import application
from dfo_prompt.service.clients import Client
from dfo_prompt.service.collection import Collection
from dfo_prompt.service.engine import Engine
from dfo_prompt.service.serving import about
from dfo_prompt.service.store import Store
from dfo_prompt.service.training import Training, first_prompt
from dfo_prompt.service.wire import Block, EvaluationRequest, ServiceLimits, pack
from dfo_prompt.service.worker import Worker
from dfo_prompt.study.candidates import candidate_hash

ANYONE = Client(name="anyone", trains=True)
START, BETTER = np.array([2.0, 1.0, 1.0]), np.array([1.5, 1.0, 1.0])
PATHS = {
    "/v1/predict": {"texts": [["film"]]},
    "/v1/predictions": {"candidates": pack(START[None]), "texts": [["film"]]},
    "/v1/prompt": {"candidate": pack(BETTER[None])},
}


class Paid(HeldOutBowl):
    """Labels texts as `found`; bills 1000 tokens a candidate, and fails while `errors` lasts; best on dev at (1, 1, 1)."""

    classes = ("short", "long")

    def __init__(self, found=((0.9, 0.1),), errors=()):
        super().__init__(3)
        self.found, self.errors, self.asked, self.billed = np.array(found), [*errors], 0, 0

    def estimate(self, count, split="train"):
        return Usage(tokens=2000 * count)

    def evaluate(self, candidates):
        used = Usage(tokens=1000 * len(candidates))
        self.billed += used.tokens
        if self.errors and (error := self.errors.pop(0)):
            raise error(used)
        return Evaluation(losses=(candidates**2).sum(axis=1), usage=used)

    def validate(self, candidates, split):
        self.asked += 1
        return super().validate(candidates, split)

    def predict(self, candidate, texts):
        self.asked += 1
        return self.found


def engine_of(tmp_path, objective, **options):
    said = about(parse_config({"objective": "sphere", "dim": 3}), objective, {}, ServiceLimits())
    return Engine(objective, said, Store(tmp_path / "store.sqlite", said.fingerprint), **options)


@contextmanager
def serving(tmp_path, objective, budget=None):
    engine = engine_of(tmp_path, objective)
    collection = Collection(engine.store, task="t", fingerprint=engine.about.fingerprint)
    training = Training(engine, collection, first_prompt(objective, START, collection))
    client = Client(name="anyone", trains=True, budget=budget)
    with TestClient(application(engine, [client], training), base_url="http://localhost") as sender:
        yield sender


def charged(tmp_path):
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as store:
        return sum(count for (count,) in store.execute("SELECT candidates FROM charges"))


@pytest.mark.parametrize("path", PATHS)
def test_a_request_with_an_id_is_charged_once_though_the_budget_is_spent(tmp_path, path):
    objective, message = Paid(), {"id": "a", **PATHS[path]}
    with serving(tmp_path, objective, budget=1) as client:
        first = client.post(path, json=message).json()
        asked = objective.asked
        again = client.post(path, json=message)
        assert (again.status_code, again.json()) == (200, {**first, "replayed": True})
        assert first["replayed"] is False
        assert client.post(path, json={**message, "id": "b"}).status_code == 402
        assert client.post("/v1/evaluations", json={"id": "a", "candidates": pack(BETTER[None])}).status_code == 409
        assert objective.asked == asked
    with serving(tmp_path, objective, budget=1) as client:
        assert client.post(path, json=message).json() == {**first, "replayed": True}
    assert charged(tmp_path) == 1


@pytest.mark.parametrize("path", PATHS)
def test_a_request_without_an_id_is_charged_each_time(tmp_path, path):
    with serving(tmp_path, Paid(), budget=2) as client:
        assert [client.post(path, json=PATHS[path]).status_code for _ in range(3)] == [200, 200, 402]
    assert charged(tmp_path) == 2


def test_a_repeated_offer_says_that_it_was_swapped_and_counts_once(tmp_path):
    with serving(tmp_path, Paid()) as client:
        for replayed in (False, True):
            found = client.post("/v1/prompt", json={"id": "a", **PATHS["/v1/prompt"]}).json()
            assert (found["swapped"], found["prompt"]) == (True, candidate_hash(BETTER))
            assert found["replayed"] is replayed
        assert 'dfo_prompt_prompts_total{swapped="True"} 1.0' in client.get("/metrics").text


def test_a_prompt_whose_answer_cannot_be_stored_is_not_served(tmp_path):
    with serving(tmp_path, Paid()) as client:
        with closing(sqlite3.connect(tmp_path / "store.sqlite")) as store, store:
            store.execute("CREATE TRIGGER full BEFORE INSERT ON charges BEGIN SELECT RAISE(FAIL, 'full'); END")
        found = client.post("/v1/prompt", json={"id": "a", **PATHS["/v1/prompt"]})
        assert (found.status_code, found.json()) == (503, {"error": "the store cannot be written: full"})
        assert client.get("/v1/about").json()["prompt"] == candidate_hash(START)
        with closing(sqlite3.connect(tmp_path / "store.sqlite")) as store, store:
            assert store.execute("SELECT COUNT(*) FROM prompts").fetchone() == (1,)
            store.execute("DROP TRIGGER full")
        found = client.post("/v1/prompt", json={"id": "a", **PATHS["/v1/prompt"]}).json()
        assert (found["swapped"], found["replayed"]) == (True, False)


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/predictions"])
@pytest.mark.parametrize("found", [(0.9, 0.1), ((0.1, 0.2, 0.7),), ((0.9, 0.1),) * 2, (("a", "b"),)])
def test_probabilities_of_another_shape_are_500_and_charged_nothing(tmp_path, path, found):
    with serving(tmp_path, Paid(found), budget=1) as client:
        for _ in range(2):
            answer = client.post(path, json=PATHS[path])
            assert (answer.status_code, "PluginError: the objective gave probabilities" in answer.json()["error"]) == (
                500,
                True,
            )
    assert charged(tmp_path) == 0


def test_feedback_is_taken_from_a_client_whose_budget_is_exceeded(tmp_path):
    message = {"id": "f", "texts": [["film"]], "labels": ["long"]}
    with serving(tmp_path, Paid(), budget=1) as client:
        assert client.post("/v1/predict", json=PATHS["/v1/predict"]).status_code == 200
    with serving(tmp_path, Paid(), budget=0) as client:
        assert client.post("/v1/predict", json=PATHS["/v1/predict"]).status_code == 402
        assert client.post("/v1/feedback", json=message).status_code == 200


def outage(used):
    return OutageError("the endpoint is down", usage=used)


def evaluate(engine, count, *, tries=1):
    """Ask for `count` candidates at once, each up to `tries` times; return the tokens that the answers report."""

    async def one(i):
        z = pack(np.full((1, 3), float(i)))
        request = EvaluationRequest(id=f"r{i}", candidates=Block(shape=(1, 3), data=z["data"]))
        for left in reversed(range(tries)):
            try:
                return (await engine.evaluate(ANYONE, request))["usage"]["tokens"]
            except HTTPException:
                if not left:
                    raise
        return 0

    async def everything():
        return await asyncio.gather(*map(one, range(count)))

    return asyncio.run(everything())


def test_what_failed_tries_consumed_is_reported_once_with_the_answer(tmp_path):
    engine = engine_of(tmp_path, objective := Paid(errors=[outage, outage]))
    assert evaluate(engine, 2, tries=2) == [2000, 2000]  # both fail, and are asked again
    assert evaluate(engine, 3) == [2000, 2000, 1000]  # replays say the same
    assert objective.billed == 5000
    engine.close()


def test_what_an_answer_that_cannot_be_stored_consumed_is_reported_with_the_next(tmp_path):
    engine = engine_of(tmp_path, Paid())
    engine.store.writer.execute("PRAGMA query_only = 1")
    with pytest.raises(HTTPException, match="503"):
        evaluate(engine, 1)
    engine.store.writer.execute("PRAGMA query_only = 0")
    assert evaluate(engine, 1) == evaluate(engine, 1) == [2000]
    engine.close()


def test_a_failure_that_reports_no_usage_is_charged_its_estimate(tmp_path):
    engine = engine_of(tmp_path, Paid(errors=[lambda _: RuntimeError("ill")]))
    assert evaluate(engine, 1, tries=2) == [3000]
    engine.close()


def test_figures_of_numpy_in_a_failure_are_reported_too(tmp_path):
    engine = engine_of(tmp_path, Paid(errors=[lambda used: outage(Usage(tokens=np.int64(used.tokens)))]))
    assert evaluate(engine, 1, tries=2) == [2000]
    engine.close()


def test_what_a_failed_batch_consumed_is_shared(tmp_path):
    engine = engine_of(tmp_path, objective := Paid(errors=[outage]), gather=True)
    assert evaluate(engine, 5) == [2000] * 5  # together, and each alone
    assert objective.billed == 10_000
    engine.close()


def test_candidates_of_a_running_request_count_once_against_the_budget(tmp_path):
    """The charge is committed in the worker while the event loop still counts the request as pending."""
    client = Client(name="anyone", budget=2)
    worker = Worker(ServiceLimits(), Store(tmp_path / "store.sqlite", "f"))

    async def ask(name):
        request = EvaluationRequest(id=name, candidates=None)
        return await worker.once(client, request, 1, lambda: {"name": name})

    async def both():
        first = asyncio.create_task(ask("a"))
        await asyncio.sleep(0)  # admits it
        await asyncio.sleep(0)  # gives it to the thread
        worker._thread.submit(lambda: None).result()  # it has ended, and the loop does not know
        assert (charged(tmp_path), worker.pending) == (1, 1)
        return [await ask("b"), await first]

    assert [answer["name"] for answer in asyncio.run(both())] == ["b", "a"]
    worker.close()
