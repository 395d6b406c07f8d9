"""The service stores labels and corrections, and accepts a new prompt only if it is better on its own examples."""

import json
import sqlite3
from contextlib import contextmanager

import numpy as np
import pytest
from fakes import Bowl, HeldOutBowl
from starlette.testclient import TestClient

from dfo_prompt.config.reading import parse_config
from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.errors import InputError
from dfo_prompt.service.app import application
from dfo_prompt.service.clients import Client, read_clients
from dfo_prompt.service.collection import Collection
from dfo_prompt.service.engine import Engine
from dfo_prompt.service.serving import about
from dfo_prompt.service.store import Store
from dfo_prompt.service.training import Training, first_prompt
from dfo_prompt.service.wire import ServiceLimits, pack
from dfo_prompt.study.candidates import candidate_hash

TOKENS = (Client(name="ann", token="a" * 16, trains=True), Client(name="bob", token="b" * 16, budget=2))
ANYONE = (Client(name="anyone", trains=True),)
START, BETTER, WORSE = np.array([2.0, 1.0, 1.0]), np.array([1.5, 1.0, 1.0]), np.array([3.0, 1.0, 1.0])


class Signs(HeldOutBowl):
    """Labels a text by its length and z; best on dev at (1, 1, 1). A first coordinate above 50 has no score on dev."""

    classes = ("short", "long")

    def predict(self, candidate, texts):
        return np.array([[0.9, 0.1] if len(text[0]) < 5 * candidate[0] else [0.2, 0.8] for text in texts])

    def validate(self, candidates, split):
        found = super().validate(candidates, split)
        found.losses[candidates[:, 0] > 50] = np.nan
        return found


@contextmanager
def serving(tmp_path, *, start=START, clients=ANYONE, objective=None, **limits):
    objective = objective or Signs(3)
    said = about(parse_config({"objective": "sphere", "dim": 3}), objective, {}, ServiceLimits(**limits))
    store = Store(tmp_path / "store.sqlite", said.fingerprint)
    collection = Collection(store, task="t", fingerprint=said.fingerprint)
    prompt = None if start is None else first_prompt(objective, start, collection)
    engine = Engine(objective, said, store)
    app = application(engine, clients, Training(engine, collection, prompt))
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def bearer(client):
    return {"Authorization": f"Bearer {client.token}"}


def label(client, *texts, **more):
    return client.post("/v1/predict", json={"texts": [[text] for text in texts]}, **more)


def offer(client, z, **more):
    return client.post("/v1/prompt", json={"candidate": pack(z[None])}, **more)


def feedback(client, name, *rows, **more):
    message = {"id": name, "texts": [[text] for text, _ in rows], "labels": [said for _, said in rows]}
    return client.post("/v1/feedback", json=message, **more)


def test_texts_are_labelled_with_the_prompt_that_is_served(tmp_path):
    with serving(tmp_path) as client:
        found = label(client, "short", "a longer text").json()
        assert found == {
            "prompt": candidate_hash(START),
            "classes": ["short", "long"],
            "labels": ["short", "long"],
            "probabilities": [[0.9, 0.1], [0.2, 0.8]],
            "replayed": False,
        }
        assert client.get("/v1/about").json()["prompt"] == candidate_hash(START)


def test_a_prompt_is_swapped_only_if_it_is_better_on_dev(tmp_path):
    with serving(tmp_path) as client:
        found = offer(client, WORSE).json()
        assert (found["swapped"], found["prompt"]) == (False, candidate_hash(START))
        assert (found["offered"]["score"], found["served"]["score"], found["metric"]) == (-4.0, -1.0, "nearness")
        assert label(client, "short").json()["prompt"] == candidate_hash(START)
        found = offer(client, BETTER).json()
        assert (found["swapped"], found["offered"]["score"], found["served"]["score"]) == (True, -0.25, -1.0)
        assert label(client, "a longer text").json()["prompt"] == candidate_hash(BETTER)
        again = offer(client, BETTER).json()  # without an id it is another offer
        assert (again["swapped"], again["prompt"]) == (False, candidate_hash(BETTER))
        assert offer(client, np.array([99.0, 1.0, 1.0])).json()["offered"] == {
            "prompt": candidate_hash(np.array([99.0, 1.0, 1.0])),
            "score": None,
            "loss": None,
        }
        text = client.get("/metrics").text
        assert 'dfo_prompt_prompts_total{swapped="True"} 1.0' in text
    with serving(tmp_path) as client:  # the service goes on with it
        assert label(client, "short").json()["prompt"] == candidate_hash(BETTER)
    with serving(tmp_path, start=np.ones(3)) as client:  # unless it is started with a better one
        assert label(client, "short").json()["prompt"] == candidate_hash(np.ones(3))


def test_what_a_client_claims_of_its_prompt_counts_for_nothing(tmp_path):
    with serving(tmp_path) as client:
        message = {"candidate": pack(WORSE[None]), "score": 1.0}
        assert client.post("/v1/prompt", json=message).status_code == 422
        for z, status in [(np.ones((2, 3)), 413), (np.ones((1, 4)), 422), (np.full((1, 3), np.nan), 422)]:
            assert client.post("/v1/prompt", json={"candidate": pack(z)}).status_code == status
        assert label(client, "short").json()["prompt"] == candidate_hash(START)


def test_feedback_is_kept_once_and_given_as_lines(tmp_path):
    rows = [("one", "long"), ("two\u2028 \x00", "short")]
    with serving(tmp_path) as client:
        assert feedback(client, "a", *rows).json() == {"id": "a", "taken": 2, "replayed": False}
        assert feedback(client, "a", *rows).json()["replayed"] is True
        assert feedback(client, "a", ("one", "short")).status_code == 409
        assert feedback(client, "b", ("three", "long")).status_code == 200
        assert 'dfo_prompt_feedback_total{replayed="False"} 3.0' in client.get("/metrics").text
    with serving(tmp_path, start=None) as client:  # after a restart, with another prompt or none
        found = client.get("/v1/feedback")
        assert found.headers["content-type"] == "application/jsonl"
        assert [json.loads(line) for line in found.content.split(b"\n")[:-1]] == [
            {"text": "one", "label": "long", "client": "anyone", "id": "a"},
            {"text": "two\u2028 \x00", "label": "short", "client": "anyone", "id": "a"},
            {"text": "three", "label": "long", "client": "anyone", "id": "b"},
        ]


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        ([["a"]], ["none"], "'none' is no class; known: short, long"),
        ([["a"], ["b"]], ["short"], "1 labels for 2 examples"),
        ([["a", "b"]], ["short"], "an example has 2 texts; it takes text"),
        ([["  "]], ["short"], "a text is empty"),
        ([], [], "texts"),
        ([["a"]], [1], "labels.0"),
    ],
)
def test_wrong_feedback_is_refused_whole(tmp_path, texts, labels, said):
    with serving(tmp_path) as client:
        found = client.post("/v1/feedback", json={"id": "a", "texts": texts, "labels": labels})
        assert (found.status_code, said in found.json()["error"]) == (422, True), found.json()
        assert client.get("/v1/feedback").content == b""


def test_clients_have_ids_and_budgets_of_their_own_and_one_trains(tmp_path):
    ann, bob = map(bearer, TOKENS)
    with serving(tmp_path, clients=TOKENS, texts=2) as client:
        assert [
            feedback(client, "a", (who, "long"), headers=head).json()["taken"] for who, head in [("x", ann), ("y", bob)]
        ] == [
            1,
            1,
        ]
        assert offer(client, BETTER, headers=bob).json() == {"error": "that is for the client that --trainer names"}
        assert client.get("/v1/feedback", headers=bob).status_code == 403
        assert [json.loads(line)["client"] for line in client.get("/v1/feedback", headers=ann).text.splitlines()] == [
            "ann",
            "bob",
        ]
        assert [label(client, "a", headers=bob).status_code for _ in range(3)] == [200, 200, 402]
        assert feedback(client, "b", ("x", "long"), headers=bob).status_code == 200  # is free
        assert label(client, "a", "b", "c", headers=ann).status_code == 413
        assert feedback(client, "c", *[("x", "long")] * 3, headers=ann).status_code == 413
        assert label(client, "x").status_code == 401
        assert (offer(client, BETTER).status_code, client.get("/v1/feedback").status_code) == (401, 401)


def test_feedback_that_cannot_be_read_is_503(tmp_path):
    with serving(tmp_path) as client:
        with sqlite3.connect(tmp_path / "store.sqlite") as store:
            store.execute("ALTER TABLE feedback RENAME TO other")
        store.close()
        found = client.get("/v1/feedback")
        assert (found.status_code, found.json()) == (
            503,
            {"error": "the store cannot be read: no such table: feedback"},
        )


def test_without_a_prompt_or_texts_it_is_404(tmp_path):
    with serving(tmp_path, start=None) as client:
        assert label(client, "a").json() == {"error": "no prompt is served; start the service with --from STUDY"}
        assert offer(client, BETTER).status_code == 404
    with serving(tmp_path, start=None, objective=Bowl(3)) as client:
        found = [label(client, "a"), offer(client, BETTER), feedback(client, "a", ("x", "long"))]
        assert [item.status_code for item in found] == [404, 404, 404]


def test_a_store_that_cannot_be_written_is_503_and_swaps_nothing(tmp_path):
    with serving(tmp_path) as client:
        with sqlite3.connect(tmp_path / "store.sqlite") as other:
            other.execute("DROP TABLE prompts")
            other.execute("DROP TABLE feedback")
        other.close()
        assert offer(client, BETTER).status_code == 503
        assert feedback(client, "a", ("x", "long")).status_code == 503
        assert label(client, "short").json()["prompt"] == candidate_hash(START)


def test_a_study_without_texts_or_score_is_not_served(tmp_path):
    with pytest.raises(InputError, match="tunes no prompt"), serving(tmp_path, objective=Bowl(3)):
        pass
    with pytest.raises(InputError, match="has no score on dev"), serving(tmp_path, start=np.full(3, 99.0)):
        pass


def test_a_tie_is_decided_by_the_loss(tmp_path):
    class Flat(Signs):
        def validate(self, candidates, split):
            return Evaluation(losses=candidates[:, 0], metrics={"nearness": np.ones(len(candidates))})

    with serving(tmp_path, objective=Flat(3)) as client:
        assert [offer(client, z).json()["swapped"] for z in (WORSE, BETTER, BETTER)] == [False, True, False]


def test_who_trains(tmp_path):
    (tmp_path / "two").write_text(f"ann {'a' * 16}\nbob {'b' * 16}\n")
    (tmp_path / "one").write_text("a" * 16)
    assert [client.trains for client in read_clients(None)] == [True]
    assert [client.trains for client in read_clients(tmp_path / "one")] == [True]
    assert [client.trains for client in read_clients(tmp_path / "two")] == [False, False]
    assert [client.trains for client in read_clients(tmp_path / "two", trainer="bob")] == [False, True]
    for where, said in [(tmp_path / "two", "unknown client 'bbo'; did you mean 'bob'"), (None, "--trainer names a client")]:
        with pytest.raises(InputError, match=said):
            read_clients(where, trainer="bbo")
