"""The service's application in this process refuses invalid requests, stores answers, and never fails."""

import asyncio
import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import replace

import httpx2
import numpy as np
import pytest
from fakes import Bowl, HeldOutBowl
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from dfo_prompt._util.messages import encode
from dfo_prompt.config.reading import parse_config
from dfo_prompt.errors import InputError
from dfo_prompt.service import app as module
from dfo_prompt.service.app import application
from dfo_prompt.service.clients import Client, find_client, read_clients, read_token
from dfo_prompt.service.collection import Collection
from dfo_prompt.service.engine import Engine
from dfo_prompt.service.openapi import document
from dfo_prompt.service.serving import about, is_loopback
from dfo_prompt.service.store import Store
from dfo_prompt.service.training import Training
from dfo_prompt.service.wire import ServiceLimits, pack

TOKENS = (Client(name="ann", token="a" * 16), Client(name="bob", token="b" * 16, budget=5))
ANYONE = (Client(name="anyone", trains=True),)
Z = np.arange(6.0).reshape(2, 3)


class Labelling(HeldOutBowl):
    """Labels texts by their length; holds on while `gate` is closed; fails if `error` is set."""

    classes = ("short", "long")
    error = None

    def __init__(self):
        super().__init__(3)
        self.gate, self.entered, self.threads, self.batches = threading.Event(), threading.Event(), set(), []
        self.gate.set()

    def evaluate(self, candidates):
        self.entered.set()
        self.threads.add(threading.get_ident())
        self.batches.append(len(candidates))
        self.gate.wait()
        if self.error:
            raise self.error
        return super().evaluate(candidates)

    def predict(self, candidate, texts):
        if any(len(text) != 1 for text in texts):
            raise InputError("a text too many")
        return np.array([[1.0, np.nan] if len(text[0]) < 5 else [0.25, 0.75] for text in texts])


def app_of(objective, said, store, clients=ANYONE, **options):
    engine = Engine(objective, said, store, **options)
    return application(engine, clients, Training(engine, Collection(store, task="t", fingerprint=said.fingerprint)))


@contextmanager
def serving(tmp_path, objective=None, clients=ANYONE, **limits):
    objective = objective or Labelling()
    said = about(parse_config({"objective": "sphere", "dim": 3}), objective, {}, ServiceLimits(**limits))
    app = app_of(objective, said, Store(tmp_path / "store.sqlite", said.fingerprint), clients)
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def ask(client, name="a", z=Z, split="train", token="", **more):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    block = None if z is None else pack(z)
    return client.post("/v1/evaluations", json={"id": name, "candidates": block, "split": split, **more}, headers=headers)


def test_a_request_is_evaluated_once_and_replayed_after_a_restart(tmp_path):
    objective = Labelling()
    with serving(tmp_path, objective) as client:
        first, again = ask(client).json(), ask(client).json()
        assert (first["losses"], first["replayed"], again["replayed"]) == ((Z**2).sum(axis=1).tolist(), False, True)
        assert {**again, "replayed": False} == first
        assert ask(client, z=Z + 1).status_code == 409
        assert ask(client, split="dev").status_code == 409
    with serving(tmp_path, objective) as client:
        assert ask(client).json() == again
        assert ask(client, z=Z + 1).json() == {"error": "the id was used for another request"}
    assert objective.queries == 2


def test_held_out_splits_and_the_hand_written_prompt(tmp_path):
    objective = HeldOutBowl(3)
    with serving(tmp_path, objective) as client:
        for split in ("dev", "test"):
            assert ask(client, f"{split}-z", split=split).json()["losses"] == objective.validate(Z, split).losses.tolist()
            assert ask(client, split, z=None, split=split).json()["losses"] == objective.baseline(split).losses.tolist()
        assert ask(client, "t", z=None).status_code == 422
    with serving(tmp_path, Bowl(3)) as client:
        assert ask(client, "x", split="dev").json() == {"error": "there is no split 'dev'; there is train"}


def test_two_clients_with_one_id(tmp_path):
    objective = Labelling()
    with serving(tmp_path, objective, TOKENS) as client:
        for owner in TOKENS:
            found = ask(client, token=owner.token)
            assert (found.status_code, found.json()["replayed"]) == (200, False)
        assert ask(client, z=Z + 1, token=TOKENS[1].token).status_code == 409
    assert objective.queries == 4


async def in_flight(app, objective, requests, *, early):
    """Send requests while the objective holds on, until `early` are answered; return the outcome of each, and /health."""
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as client,
    ):
        sent = []
        for name, z in requests:
            message = {"id": name, "candidates": pack(z)}
            sent.append(asyncio.create_task(client.post("/v1/evaluations", json=message)))
        while not objective.entered.is_set() or sum(task.done() for task in sent) < early:
            await asyncio.sleep(0)
        health = (await client.get("/health")).json()
        objective.gate.set()
        answers = await asyncio.gather(*sent)
    return [(answer.status_code, answer.json().get("replayed")) for answer in answers], health


def hold(tmp_path, *, budget=None, gather=False, **limits):
    objective = Labelling()
    objective.gate.clear()
    said = about(parse_config({"objective": "sphere", "dim": 3}), objective, {}, ServiceLimits(**limits))
    store = Store(tmp_path / "s.sqlite", said.fingerprint)
    return objective, app_of(objective, said, store, [replace(ANYONE[0], budget=budget)], gather=gather)


@pytest.mark.parametrize(("gather", "most"), [(False, 5), (True, 2)])
def test_requests_that_wait_are_gathered_where_that_is_asked_for(tmp_path, gather, most):
    objective, app = hold(tmp_path, gather=gather)
    requests = [(str(i), Z + i) for i in range(5)]
    answers, _ = asyncio.run(in_flight(app, objective, requests, early=0))
    assert answers == [(200, False)] * 5
    assert sum(objective.batches) == 10
    assert len(objective.batches) <= most
    assert gather or objective.batches == [2] * 5


def test_one_id_in_flight_is_evaluated_once_and_the_loop_stays_free(tmp_path):
    objective, app = hold(tmp_path)
    requests = [("b", Z), ("a", Z), ("a", Z), ("a", Z + 1)]
    found, health = asyncio.run(in_flight(app, objective, requests, early=1))
    assert sorted(found, key=str) == sorted([(200, False), (200, True), (409, None), (200, False)], key=str)
    assert health == {"status": "ok"}
    assert (objective.queries, len(objective.threads)) == (4, 1)


def test_more_than_the_limit_at_once_is_429_with_a_time(tmp_path):
    objective, app = hold(tmp_path, concurrency=2)
    found, _ = asyncio.run(in_flight(app, objective, [(str(i), Z) for i in range(5)], early=3))
    assert sorted(status for status, _ in found) == [200, 200, 429, 429, 429]
    with serving(tmp_path, concurrency=1) as client:
        assert ask(client).status_code == 200


def test_a_budget_is_reserved_before_it_is_spent(tmp_path):
    objective, app = hold(tmp_path, budget=5)
    found, _ = asyncio.run(in_flight(app, objective, [(str(i), Z) for i in range(4)], early=2))
    assert sorted(status for status, _ in found) == [200, 200, 402, 402]


def test_429_says_when(tmp_path):
    store = Store(tmp_path / "s", "f")
    engine = Engine(Labelling(), about(parse_config({"dim": 3}), Labelling(), {}, ServiceLimits()), store)
    engine.pending = 64
    app = application(engine, ANYONE, Training(engine, Collection(store, task="t", fingerprint="f")))
    with TestClient(app, base_url="http://localhost") as client:
        found = ask(client)
    assert (found.status_code, found.headers["retry-after"]) == (429, "1")


def test_a_failure_is_500_charged_nothing_and_may_be_asked_again(tmp_path):
    objective = Labelling()
    with serving(tmp_path, objective, TOKENS) as client:
        for error in (ValueError("no\nluck"), SystemError(), MemoryError("full")):
            objective.error = error
            found = ask(client, token=TOKENS[1].token)
            assert (found.status_code, type(error).__name__ in found.json()["error"]) == (500, True)
        objective.error = InputError("no such data")
        assert ask(client, token=TOKENS[1].token).status_code == 422
        objective.error = None
        assert ask(client, token=TOKENS[1].token).json()["replayed"] is False
        assert ask(client, "b", z=np.ones((3, 3)), token=TOKENS[1].token).status_code == 200
        spent = ask(client, "c", z=Z[:1], token=TOKENS[1].token)
        assert (spent.status_code, spent.json()) == (402, {"error": "1 candidates requested, 0 left of 5"})
        assert ask(client, token=TOKENS[1].token).json()["replayed"] is True  # costs nothing
        assert ask(client, "c", token=TOKENS[0].token).status_code == 200
    with serving(tmp_path, objective, TOKENS) as client:
        assert ask(client, "c", z=Z[:1], token=TOKENS[1].token).status_code == 402


def test_a_store_that_cannot_be_written_is_503(tmp_path):
    objective = Labelling()
    said = about(parse_config({"dim": 3}), objective, {}, ServiceLimits())
    store = Store(tmp_path / "s", said.fingerprint)
    with TestClient(app_of(objective, said, store), base_url="http://localhost") as client:
        store.writer.execute("PRAGMA query_only = 1")
        assert ask(client).status_code == 503
        store.writer.execute("PRAGMA query_only = 0")
        assert ask(client).json()["replayed"] is False


def test_a_file_that_is_no_store_is_refused(tmp_path):
    (tmp_path / "s").write_text("no database at all, and longer than a header of a hundred bytes" * 3)
    with pytest.raises(InputError, match="cannot use .*s as a store: file is not a database"):
        Store(tmp_path / "s", "f")
    with pytest.raises(InputError, match="choose another with --store"):
        Store(tmp_path / "none" / "s", "f")


def test_a_store_is_for_one_service_at_a_time(tmp_path):
    store = Store(tmp_path / "s", "f")
    (tmp_path / "link").symlink_to(tmp_path / "s")
    for name in ("s", "link"):
        with pytest.raises(InputError, match=f"another service uses the store .*{name}; end it, or choose .* --store"):
            Store(tmp_path / name, "f")
    store.close()
    Store(tmp_path / "s", "f").close()


def test_a_store_that_cannot_be_locked_is_refused(tmp_path):
    (tmp_path / "s.lock").mkdir()
    with pytest.raises(InputError, match="cannot use .*s as a store: .*; choose another with --store"):
        Store(tmp_path / "s", "f")


@pytest.mark.parametrize("table", ["answers", "charges", "feedback", "prompts"])
def test_a_database_of_another_program_is_refused(tmp_path, table):
    with sqlite3.connect(tmp_path / "s") as other:
        other.execute(f"CREATE TABLE {table} (name BLOB PRIMARY KEY, logs BLOB)")
    other.close()
    with pytest.raises(InputError, match="cannot use .*s as a store: .*; choose another with --store"):
        Collection(Store(tmp_path / "s", "f"), task="t", fingerprint="f")


def test_a_database_of_another_program_gets_no_tables(tmp_path):
    with sqlite3.connect(tmp_path / "s") as other:
        other.execute("CREATE TABLE feedback (text TEXT)")
    with pytest.raises(InputError, match="it is a database of another program; choose another with --store"):
        Store(tmp_path / "s", "f")
    assert [*other.execute("SELECT name FROM sqlite_master")] == [("feedback",)]
    other.close()


def test_predictions(tmp_path):
    with serving(tmp_path, clients=TOKENS) as client:
        headers = {"Authorization": f"Bearer {TOKENS[1].token}"}
        message = {"candidates": pack(Z[:1]), "texts": [["film"], ["a long film"]]}
        found = client.post("/v1/predictions", json=message, headers=headers)
        assert found.json() == {
            "classes": ["short", "long"],
            "probabilities": [[1.0, None], [0.25, 0.75]],
            "replayed": False,
        }
        for changes, status in [({"texts": []}, 422), ({"texts": [[]]}, 422), ({"texts": [["a", "b"]]}, 422)]:
            assert client.post("/v1/predictions", json=message | changes, headers=headers).status_code == status
        assert client.post("/v1/predictions", json=message | {"candidates": pack(Z)}, headers=headers).status_code == 413
        many = message | {"texts": [["a"]] * 1001}
        assert client.post("/v1/predictions", json=many, headers=headers).status_code == 413
        assert [client.post("/v1/predictions", json=message, headers=headers).status_code for _ in range(5)] == [200] * 4 + [
            402
        ]
    with serving(tmp_path, Bowl(3)) as client:
        assert client.post("/v1/predictions", json=message).status_code == 404


BLOCK = pack(Z)
MALFORMED = {
    "no id": {"candidates": BLOCK},
    "no candidates": {"id": "a"},
    "id": {"id": "a b", "candidates": BLOCK},
    "long id": {"id": "a" * 129, "candidates": BLOCK},
    "number for an id": {"id": 1, "candidates": BLOCK},
    "split": {"id": "a", "candidates": BLOCK, "split": "all"},
    "unknown key": {"id": "a", "candidates": BLOCK, "more": 1},
    "other d": {"id": "a", "candidates": pack(np.ones((2, 4)))},
    "no rows": {"id": "a", "candidates": {"shape": [0, 3], "data": ""}},
    "one axis": {"id": "a", "candidates": {"shape": [6], "data": BLOCK["data"]}},
    "too few": {"id": "a", "candidates": {"shape": [3, 3], "data": BLOCK["data"]}},
    "fraction": {"id": "a", "candidates": {"shape": [2.0, 3], "data": BLOCK["data"]}},
    "huge": {"id": "a", "candidates": {"shape": [10**30, 3], "data": BLOCK["data"]}},
    "no base64": {"id": "a", "candidates": {"shape": [2, 3], "data": "!" + BLOCK["data"]}},
    "not ascii": {"id": "a", "candidates": {"shape": [2, 3], "data": "é"}},
    "surrogate": {"id": "a", "candidates": {"shape": [2, 3], "data": "\ud800"}},
    "NaN": {"id": "a", "candidates": pack(np.full((2, 3), np.nan))},
    "infinite": {"id": "a", "candidates": pack(np.full((2, 3), np.inf))},
    "list": {"id": "a", "candidates": Z.tolist()},
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_malformed_is_422_with_a_reason(tmp_path, kind):
    objective = Labelling()
    with serving(tmp_path, objective) as client:
        body = json.dumps(MALFORMED[kind])
        found = client.post("/v1/evaluations", content=body, headers={"Content-Type": "application/json"})
        assert found.status_code == 422
        assert 3 < len(found.json()["error"]) <= 500
        assert "\n" not in found.json()["error"]
    assert objective.queries == 0


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"1", b"NaN", b"\xff", b"[" * 10**5, b'{"id": NaN}', b'{"id":"a","id":"b"}']
)
def test_what_is_no_json_object_is_422(tmp_path, body):
    with serving(tmp_path) as client:
        found = client.post("/v1/evaluations", content=body, headers={"Content-Type": "application/json; charset=utf-8"})
        assert (found.status_code, "error" in found.json()) == (422, True)


def test_limits_of_size_media_type_host_and_fingerprint(tmp_path):
    with serving(tmp_path, bytes=300, candidates=2) as client:
        assert ask(client).status_code == 200
        assert ask(client, "b", z=np.ones((9, 3))).json() == {"error": "the body has more than 300 bytes"}
        chunks = (b"{" * 100 for _ in range(10**6))
        found = client.post("/v1/evaluations", content=chunks, headers={"Content-Type": "application/json"})
        assert found.status_code == 413
        assert ask(client, "b", z=np.ones((3, 3))).json() == {"error": "3 candidates; at most 2 a request"}
        assert client.post("/v1/evaluations", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
        assert ask(client, "c", fingerprint="other").status_code == 409
        assert ask(client, "c", fingerprint=client.get("/v1/about").json()["fingerprint"]).status_code == 200
        for host, status in {"evil.example": 400, "127.0.0.2": 400, "127.0.0.1:8000": 200}.items():
            assert client.get("/v1/about", headers={"Host": host}).status_code == status
        assert client.get("/v1/evaluations").status_code == 405
        assert client.get("/nothing").json() == {"error": "Not Found"}


@pytest.mark.parametrize("host", ["127.0.0.2", "0:0:0:0:0:0:0:1"])
def test_the_address_that_a_service_listens_at_is_a_host(tmp_path, host):
    assert is_loopback(host)
    store = Store(tmp_path / "s", "f")
    engine = Engine(Labelling(), about(parse_config({"dim": 3}), Labelling(), {}, ServiceLimits()), store)
    app = application(engine, ANYONE, Training(engine, Collection(store, task="t", fingerprint="f")), host=host)
    with TestClient(app, base_url="http://localhost") as client:
        place = f"[{host}]:8000" if ":" in host else f"{host}:8000"
        assert client.get("/v1/about", headers={"Host": place}).status_code == 200
        assert client.get("/v1/about", headers={"Host": "127.0.0.3"}).status_code == 400


def test_what_others_reach_is_no_loopback_address():
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost")] == [True] * 3
    assert not any(is_loopback(host) for host in ("127.evil.com", "127.0.0.1.evil.com", "0.0.0.0", "::", "127.", ""))


def test_a_body_that_never_comes_is_408(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BODY_SECONDS", 0.01)
    _, app = hold(tmp_path)

    async def never():
        await asyncio.Event().wait()

    assert status_of(app, never) == 408


def test_a_body_that_breaks_off_is_400(tmp_path):
    parts = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def broken():
        return next(parts)

    assert status_of(hold(tmp_path)[1], broken) == 400


def status_of(app, receive):
    """The status of an answer to a request whose body `receive` gives."""
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"host", b"localhost")]
    scope = {"type": "http", "method": "POST", "path": "/v1/evaluations", "query_string": b"", "headers": headers}
    asyncio.run(app({**scope, "server": ("localhost", 80), "scheme": "http"}, receive, send))
    return sent[0]["status"]


def test_tokens_guard_all_but_health_and_the_document(tmp_path):
    with serving(tmp_path, clients=TOKENS) as client:
        for path in ("/v1/about", "/metrics"):
            for header in (
                "",
                "Bearer",
                "Bearer ",
                "Bearer x",
                f"Basic {'a' * 16}",
                "Bearer é",
                f"Bearer {'a' * 17}",
                "a" * 16,
            ):
                found = client.get(path, headers={"Authorization": header.encode()})
                assert (found.status_code, found.headers["www-authenticate"]) == (401, "Bearer")
            assert client.get(path, headers={"Authorization": f"bearer {'b' * 16}"}).status_code == 200
        assert ask(client).status_code == 401
        assert [client.get(path).status_code for path in ("/health", "/openapi.json")] == [200, 200]


def test_every_token_is_compared_in_constant_time(monkeypatch):
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda one, other: compared.append(one) or one == other)
    assert find_client(TOKENS, f"Bearer {'a' * 16}") is TOKENS[0]
    assert find_client(TOKENS, "Bearer x") is None
    assert len(compared) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no token"),
        ("ann short", "fewer than 16 characters"),
        (f"ann {'a' * 16} many", "write NAME TOKEN, or NAME TOKEN BUDGET"),
        (f"ann {'a' * 16} 1 2", "write NAME TOKEN"),
        (f"ann {'a' * 16}\nann {'b' * 16}", "the same name"),
        (f"ann {'a' * 16}\nbob {'a' * 16}", "the same token"),
        ("ann é" + "a" * 16, "other characters than ASCII"),
    ],
)
def test_bad_token_files_are_refused(tmp_path, text, said):
    (tmp_path / "t").write_text(text)
    with pytest.raises(InputError, match=said):
        read_clients(tmp_path / "t")


def test_token_files(tmp_path):
    (tmp_path / "t").write_text(f"# all\n\nann {'a' * 16} 7\r\n{'c' * 16}\n")
    assert read_clients(tmp_path / "t", 3) == (
        Client(name="ann", token="a" * 16, budget=7),
        Client(name="default", token="c" * 16, budget=3),
    )
    with pytest.raises(InputError, match="the tokens of 2 clients"):
        read_token(tmp_path / "t")
    (tmp_path / "t").write_text("a" * 16)
    assert read_token(tmp_path / "t") == "a" * 16


def test_the_document_has_every_route_and_status(tmp_path):
    objective, app = hold(tmp_path)
    objective.gate.set()
    served = {route.path: {method.lower() for method in route.methods - {"HEAD"}} for route in app.routes}
    described = document()
    assert {path: {*methods} for path, methods in described["paths"].items()} == served
    with TestClient(app, base_url="http://localhost") as client:
        assert client.get("/openapi.json").json() == described
        answers = {"About": client.get("/v1/about").json(), "Answer": ask(client).json()}
        feedback = {"id": "f", "texts": [["a"]], "labels": ["long"]}
        answers["Taken"] = client.post("/v1/feedback", json=feedback).json()
        answers["Prediction"] = client.post("/v1/predictions", json={"candidates": pack(Z[:1]), "texts": [["a"]]}).json()
    for name, answer in answers.items():
        assert {*answer} == {*described["components"]["schemas"][name]["properties"]}
    text = json.dumps(described)
    assert all(ref in text for ref in described["components"]["schemas"])
    references = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert references <= {*described["components"]["schemas"]}


def test_metrics_count_requests_and_candidates(tmp_path):
    with serving(tmp_path) as client:
        for name in ("a", "a", "b"):
            ask(client, name)
        ask(client, "c", z=np.ones((1, 4)))
        text = client.get("/metrics").text
    for line in (
        'dfo_prompt_requests_total{path="/v1/evaluations",status="200"} 3.0',
        'dfo_prompt_requests_total{path="/v1/evaluations",status="422"} 1.0',
        'dfo_prompt_candidates_total{replayed="False"} 4.0',
        'dfo_prompt_candidates_total{replayed="True"} 2.0',
        "dfo_prompt_pending 0.0",
    ):
        assert line in text


def test_the_fingerprint_is_that_of_what_is_served():
    config = parse_config({"objective": "sphere", "dim": 3})
    usual = about(config, Bowl(3), {}, ServiceLimits()).fingerprint
    searched_otherwise = replace(config, budget=7, optimizer="random", sigma=3.0)
    assert about(searched_otherwise, Bowl(3), {}, ServiceLimits(texts=1)).fingerprint == usual
    others = [
        about(replace(config, **{key: value}), Bowl(3), {}, ServiceLimits()).fingerprint
        for key, value in [("seed", 1), ("dim", 4)]
    ]
    others.append(about(config, Bowl(3), {"plugin.py": "sha256 0"}, ServiceLimits()).fingerprint)
    assert len({usual, *others}) == 4


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
)
blocks = st.fixed_dictionaries(
    {
        "shape": st.sampled_from([[2, 3], [1, 3], [2, 4], [2**31, 3]]) | anything,
        "data": st.sampled_from([BLOCK["data"], pack(Z[:1])["data"], pack(np.full((2, 3), np.nan))["data"]]) | anything,
    }
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["a", "b", ""]) | anything,
        "split": st.sampled_from(["train", "dev", "test", "x"]) | anything,
        "candidates": st.just(BLOCK) | blocks | anything,
        "candidate": st.just(pack(Z[:1])) | blocks | anything,
        "labels": st.lists(st.sampled_from(["short", "long"]), max_size=3) | anything,
        "texts": st.lists(st.lists(st.text(max_size=5), max_size=2), max_size=3) | anything,
        "fingerprint": st.just("") | anything,
        "more": anything,
    },
)
BODIES = st.binary(max_size=200) | (messages | anything).map(lambda message: json.dumps(message).encode())
PATHS = [f"/v1/{name}" for name in ("evaluations", "predictions", "predict", "feedback", "prompt")]
KNOWN = {200, 402, 404, 409, 413, 415, 422}


@given(BODIES, st.sampled_from(PATHS), st.sampled_from(["application/json", "text/plain"]))
@settings(max_examples=max(300, settings().max_examples))
def test_no_body_makes_the_service_fail(fuzzed, body, path, media):
    found = fuzzed.post(path, content=body, headers={"Content-Type": media})
    assert found.status_code in KNOWN
    if found.status_code != 200:
        assert found.json()["error"]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("fuzz")) as client:
        yield client
        assert ask(client, "after", z=Z).status_code == 200


def test_the_store_holds_no_more_than_answers_and_charges(tmp_path):
    with serving(tmp_path, clients=TOKENS) as client:
        ask(client, token=TOKENS[0].token)
    with sqlite3.connect(tmp_path / "store.sqlite") as store:
        rows = [row for table in ("answers", "charges") for row in store.execute(f"SELECT * FROM {table}")]
    store.close()
    assert len(rows) == 2
    assert not any(TOKENS[0].token in str(row) for row in rows)
    assert encode({"a": 1.5}) == b'{"a":1.5}'
