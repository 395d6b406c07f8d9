"""The client against a faulty server: each fault ends in a retry or an outage, and never in a loss."""

import json
import socket
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from werkzeug import Response

import dfo_prompt as dp
from dfo_prompt._util import http as sending
from dfo_prompt._util.http import Http, HttpError, RefusedError
from dfo_prompt._util.messages import encode
from dfo_prompt.errors import InputError, OutageError
from dfo_prompt.service.wire import About, ServiceLimits

ABOUT = {"objective": "sphere", "dim": 2, "seed": 0, "fingerprint": "f", "description": {}, "splits": ["train"]}
Z = np.array([[0.0, 1.0], [2.0, 3.0]])


def answer(request, **changes):
    asked = json.loads(request.data)
    count = asked["candidates"]["shape"][0]
    figures = {"losses": [0.5] * count, "metrics": {"m": [None] * count}, "usage": {"rows": count, "tokens": 0}}
    return {"id": asked["id"], **figures, "replayed": False, **changes}


@pytest.fixture
def remote(httpserver):
    """Builds the objective at a server whose evaluations `handler` answers; returns it and the requests that came."""
    httpserver.expect_request("/v1/about").respond_with_json(ABOUT)

    def build(handler, **options):
        asked = []

        def handle(request):
            asked.append(json.loads(request.data))
            return handler(request, len(asked))

        httpserver.expect_request("/v1/evaluations").respond_with_handler(handle)
        options = {"patience": 2.0, "timeout": 5.0, **options}
        return dp.create_objective("remote", dim=2, url=httpserver.url_for("").rstrip("/"), **options), asked

    return build


def as_json(message, status=200, **headers):
    return Response(json.dumps(message), status, headers, content_type="application/json")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again_with_the_same_id(remote, status):
    def handler(request, count):
        return as_json({"error": "busy"}, status, **{"Retry-After": "0"}) if count < 3 else as_json(answer(request))

    objective, asked = remote(handler)
    found = objective.evaluate(Z)
    assert found.losses.tolist() == [0.5, 0.5]
    assert np.isnan(found.metrics["m"]).all()
    assert (len(asked), found.usage.requests, found.usage.attempts, found.usage.unanswered) == (3, 1, 3, 0)
    assert len({request["id"] for request in asked}) == 1
    assert found.usage.uploaded == 3 * len(encode(asked[0]))
    assert found.usage.downloaded == len(json.dumps({**answer_to(asked[0])}))


def answer_to(asked):
    class Request:
        data = json.dumps(asked)

    return answer(Request)


@pytest.mark.parametrize("status", [302, 400, 401, 402, 403, 404, 409, 413, 415, 422])
def test_what_cannot_pass_is_an_outage_at_once(remote, status):
    objective, asked = remote(lambda *_: as_json({"error": "no\nmore"}, status, Location="/v1/about"))
    with pytest.raises(OutageError, match=f"refused: status {status}, no more; fix it, and the same command goes on"):
        objective.evaluate(Z)
    assert len(asked) == 1


def test_faults_without_end_are_an_outage(remote):
    objective, asked = remote(lambda *_: as_json({"error": "ill"}, 500, **{"Retry-After": "0"}), patience=0.5)
    with pytest.raises(OutageError, match="status 500, ill"):
        objective.evaluate(Z)
    assert len(asked) >= 2


def test_a_service_that_asks_for_more_than_our_patience_is_not_waited_for(remote):
    objective, asked = remote(lambda *_: as_json({"error": "later"}, 429, **{"Retry-After": "3600"}))
    with pytest.raises(OutageError, match="status 429, later"):
        objective.evaluate(Z)
    assert len(asked) == 1


def test_retry_after_is_the_wait():
    sender = Http("http://127.0.0.1:1", timeout=1, patience=60)
    for header, wait in {
        "7": 7.0,
        "0": 0.0,
        "Wed, 21 Oct 2026 07:28:00 GMT": True,
        "": True,
        "-1": True,
        "9" * 9: True,
    }.items():
        found = sender._again(RefusedError(429, "", sending._wait(header)))
        assert (found, isinstance(found, bool)) == (wait, isinstance(wait, bool))


GARBAGE = {
    "html": lambda _: Response("<html>", content_type="text/html"),
    "nothing": lambda _: Response(""),
    "latin-1": lambda _: Response(b'{"id": "\xff"}'),
    "deep": lambda _: Response("[" * 100_000),
    "list": lambda _: as_json([]),
    "no losses": lambda request: as_json({"id": answer(request)["id"]}),
    "NaN": lambda request: as_json(answer(request, losses=[0.5, float("nan")])),
    "infinite": lambda request: as_json(answer(request, metrics={"m": [0.5, float("inf")]})),
    "too large": lambda request: Response(json.dumps(answer(request)).replace("0.5", "1e999")),
    "text": lambda request: as_json(answer(request, losses=["0.5", "0.5"])),
    "truth": lambda request: as_json(answer(request, losses=[True, False])),
    "one loss": lambda request: as_json(answer(request, losses=[0.5])),
    "one metric": lambda request: as_json(answer(request, metrics={"m": [0.5]})),
    "other id": lambda request: as_json(answer(request, id="other")),
    "negative rows": lambda request: as_json(answer(request, usage={"rows": -1})),
    "key twice": lambda request: Response(json.dumps(answer(request))[:-1] + ', "losses": [1, 1]}'),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_an_outage(remote, kind):
    objective, asked = remote(lambda request, _: GARBAGE[kind](request))
    with pytest.raises(OutageError, match=r"answers nonsense: .*; fix it") as raised:
        objective.evaluate(Z)
    assert len(asked) == 1
    assert "\n" not in str(raised.value)


def test_an_answer_that_is_too_large_is_not_read_to_its_end(remote, monkeypatch):
    monkeypatch.setattr(sending, "LARGEST", 1000)
    objective, _ = remote(lambda request, _: as_json(answer(request, more="x" * 2000)))
    with pytest.raises(OutageError, match="an answer of more than 1,000 bytes"):
        objective.evaluate(Z)


def test_unknown_facts_and_currencies_of_a_later_version_are_taken(remote):
    objective, _ = remote(lambda request, _: as_json(answer(request, usage={"rows": 4, "joules": 3}, more=1)))
    assert objective.evaluate(Z).usage.rows == 4


def test_a_batch_is_sent_in_parts_that_the_service_takes(remote, monkeypatch):
    objective, asked = remote(lambda request, _: as_json(answer(request, losses=[float(len(request.data))])))
    objective._about = About(**{**ABOUT, "limits": ServiceLimits(candidates=1)})
    found = objective.evaluate(Z)
    assert found.usage.requests == 2
    assert found.losses.tolist() == [len(encode(request)) for request in asked]
    objective._about = About(**{**ABOUT, "limits": ServiceLimits(bytes=10)})
    assert len(objective.evaluate(Z).losses) == 2


def test_labels_whose_answer_is_lost_are_asked_for_again_with_their_id(httpserver):
    about = {**ABOUT, "metric": "m", "classes": ["a", "b"], "limits": {"texts": 1}}
    httpserver.expect_request("/v1/about").respond_with_json(about)
    ids = []

    def handle(request):
        ids.append(json.loads(request.data)["id"])
        lost = as_json({}, 500, **{"Retry-After": "0"})
        return lost if len(ids) == 1 else as_json({"classes": ["a", "b"], "probabilities": [[0.5, 0.5]]})

    httpserver.expect_request("/v1/predictions").respond_with_handler(handle)
    objective = dp.create_objective("remote", dim=2, url=httpserver.url_for("").rstrip("/"), patience=2.0)
    assert objective.predict(Z[0], [("x",), ("y",)]).tolist() == [[0.5, 0.5]] * 2
    assert (len(ids), ids[0] == ids[1], len({*ids})) == (3, True, 2)
    with pytest.raises(dp.InputError, match="there are no texts to label or answer"):
        objective.predict(Z[0], [])


def test_attempts_can_be_limited(remote):
    objective, _ = remote(lambda request, _: as_json(answer(request)))
    result = dp.minimize(objective, budget=400, popsize=4, limits={"attempts": 20})
    assert (result.stop_reason, result.spent.attempts) == ("limits.attempts", 20)


def test_ids_tell_apart_what_is_to_be_evaluated_apart(remote):
    objective, asked = remote(lambda request, _: as_json(answer(request)))

    def id_of(z=Z, account="queries", first=1, split="train", run="", fingerprint="f"):
        objective.expect(account, first)
        objective._run, objective._about = run, About(**{**ABOUT, "fingerprint": fingerprint})
        objective._score(z, split)
        return asked[-1]["id"]

    usual = id_of()
    others = [
        id_of(z=Z + 1),
        id_of(account="validation"),
        id_of(first=2),
        id_of(split="dev"),
        id_of(run="2"),
        id_of(fingerprint="g"),
    ]
    assert len({usual, *others}) == 7
    assert id_of() == usual


@contextmanager
def raw(*scripts):
    """A server that answers connection i with the bytes of script i, the last one ever again; yields its port."""
    served = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def run():
        for i in range(10_000):
            try:
                taken, _ = served.accept()
            except OSError:
                return
            with taken:
                taken.settimeout(5)
                taken.recv(65536)
                for part in scripts[min(i, len(scripts) - 1)]:
                    if part is None:
                        done.wait(5)
                    else:
                        taken.sendall(part)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield served.getsockname()[1]
    finally:
        done.set()
        served.shutdown(socket.SHUT_RDWR)
        served.close()
        thread.join()


def http(body):
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def test_tries_without_an_answer_stay_spent_if_a_later_part_fails():
    """The first part is replayed with its rows, but not the try that was lost ahead of its answer."""
    good = []
    with raw([http(encode(ABOUT))], [], good, []) as port:
        objective = dp.create_objective("remote", dim=2, url=f"http://127.0.0.1:{port}", patience=0.5, timeout=5.0)
        objective._about = About(**{**ABOUT, "limits": ServiceLimits(candidates=1)})
        said = {"id": objective._id("train", Z[:1].tobytes()), "losses": [0.5], "metrics": {}, "usage": {"rows": 7}}
        good.append(http(encode({**said, "replayed": False})))
        with pytest.raises(OutageError, match="gives no answer") as raised:
            objective.evaluate(Z)
    used = raised.value.usage
    assert (used.requests, used.rows) == (2, 0)
    assert used.unanswered == used.attempts - 1 >= 2


def test_silence_is_unanswered_on_every_split():
    about = {**ABOUT, "metric": "m", "splits": ["train", "dev"]}
    with raw([http(encode(about))], []) as port:
        objective = dp.create_objective("remote", dim=2, url=f"http://127.0.0.1:{port}", patience=0.01, timeout=5.0)
        for ask in (objective.evaluate, lambda z: objective.validate(z, "dev"), lambda _: objective.baseline("dev")):
            with pytest.raises(OutageError, match="gives no answer") as raised:
                ask(Z)
            assert raised.value.usage.unanswered == raised.value.usage.attempts > 0


@pytest.mark.parametrize("cut", [[], [b"HT"], [http(b"{}" * 50)[:-60]], [b"no http at all\r\n\r\n"]])
def test_a_cut_connection_is_tried_again(cut):
    with raw(cut, [http(encode(ABOUT))]) as port:
        objective = dp.create_objective("remote", dim=2, url=f"http://127.0.0.1:{port}", patience=20.0)
    assert objective.dim == 2


@pytest.mark.parametrize("slow", [[None], [b"HTTP/1.1 200 OK\r\n", None], [http(b"{}" * 50)[:-60], None]])
def test_a_slow_connection_is_an_outage(slow):
    with raw(slow) as port, pytest.raises(OutageError, match="gives no answer: ReadTimeout"):
        dp.create_objective("remote", dim=2, url=f"http://127.0.0.1:{port}", timeout=0.05, patience=0.01)


def test_what_the_service_holds_is_asked_of_it_and_nothing_depends_on_the_answer(remote, httpserver):
    objective, _ = remote(lambda request, _: as_json(answer(request)), patience=0.01, timeout=0.5)
    assert objective.server_bytes() is None  # an earlier version does not say
    httpserver.clear()
    httpserver.expect_request("/v1/about").respond_with_json({**ABOUT, "peak_bytes": 7})
    assert objective.server_bytes() == 7
    httpserver.clear()
    httpserver.expect_request("/v1/about").respond_with_data("ill", status=500)
    assert objective.server_bytes() is None


def test_a_study_goes_on_with_other_settings_of_the_connection(program, httpserver, tmp_path):
    asked = []

    def slow_once(request):
        asked.append(request)
        time.sleep(0.5 if len(asked) == 1 else 0.0)
        return as_json(answer(request))

    for path in ("", "/proxy"):
        httpserver.expect_request(f"{path}/v1/about").respond_with_json(ABOUT)
        httpserver.expect_request(f"{path}/v1/evaluations").respond_with_handler(slow_once)
    (tmp_path / "token").write_text("t" * 32)
    url = httpserver.url_for("").rstrip("/")
    flags = ["--objective", "remote", "--dim", "2", "--budget", "4", "--popsize", "4", "--out", "s"]

    def run(*settings):
        return program("run", *flags, *(part for setting in settings for part in ("--set", f"objective.{setting}")))

    status, _, err = run(f"url={url}", "timeout=0.2", "patience=0.01")
    assert (status, "set a longer timeout, and the same command goes on" in err) == (2, True), err
    status, _, err = run(f"url={url}/proxy", "timeout=5", "patience=1", "token_file=token")
    assert status == 0, err
    status, _, err = run(f"url={url}", "run=again")
    assert (status, "holds another study: objective_options.run is None there" in err) == (2, True), err


def test_nobody_there_is_an_outage():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(OutageError, match="gives no answer: ConnectError: .*; start it, and the same command goes on"):
        dp.create_objective("remote", dim=2, url=f"http://127.0.0.1:{port}", patience=0.01)


@pytest.mark.parametrize(
    "url",
    [
        *("", "localhost:8000", "ftp://x", "http://", "http://x:port", "http://x:0", "http://x?a=1", "http://["),
        *("http://x/\0", "http://x/\n", "http://a..b", f"http://{'a' * 64}.org", "http://\u0661\u0662", "http://[v1.x]"),
    ],
)
def test_what_is_no_url_is_refused(url):
    with pytest.raises(InputError, match="is no URL of a service"):
        dp.create_objective("remote", dim=2, url=url)


@pytest.mark.parametrize("url", ["http://u:secret@x", "http://:secret@x", "http://u@x", "http://x\\:secret@y"])
def test_a_url_with_a_password_is_refused_and_not_shown(url):
    with pytest.raises(InputError, match="has a user or a password") as raised:
        dp.create_objective("remote", dim=2, url=url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("http_proxy", "foo://bar"), ("ALL_PROXY", "socks5://x"), ("http_proxy", "http://[::1"), ("SSL_CERT_FILE", "none.pem")],
)
def test_an_environment_that_allows_no_connection_is_one_line(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError, match=f"no connection can be set up: .*; check .*{variable.upper()}"):
        dp.create_objective("remote", dim=2, url="http://127.0.0.1:1")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_asked_without_a_proxy(httpserver, monkeypatch, host):
    for variable in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(variable, "http://192.0.2.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    httpserver.expect_request("/v1/about").respond_with_json(ABOUT)
    assert dp.create_objective("remote", dim=2, url=f"http://{host}:{httpserver.port}", patience=0.1).dim == 2


@pytest.mark.parametrize("wait", ["\u00b2", "\u2460", "-1", "1e9", "Fri, 31 Dec 1999 23:59:59 GMT", "9" * 20])
def test_a_retry_after_that_is_no_number_of_seconds_is_passed_over(remote, wait):
    def handler(request, count):
        return as_json({}, 429, **{"Retry-After": wait}) if count < 2 else as_json(answer(request))

    objective, asked = remote(handler)
    assert objective.evaluate(Z).losses.tolist() == [0.5, 0.5]
    assert len(asked) == 2


def test_an_answer_that_cannot_be_unpacked_counts_as_none(httpserver):
    httpserver.expect_request("/x").respond_with_data(b"no gzip", headers={"Content-Encoding": "gzip"})
    with pytest.raises(HttpError, match="gives no answer: DecodingError") as raised:
        Http(httpserver.url_for(""), timeout=5, patience=1).send("POST", "/x")
    assert (raised.value.exchange.attempts, raised.value.exchange.unanswered) == (1, 1)


def test_an_address_that_is_no_service_is_an_outage(httpserver):
    httpserver.expect_request("/v1/about").respond_with_json({"name": "another"})
    with pytest.raises(OutageError, match="answers nonsense: objective: Field required"):
        dp.create_objective("remote", dim=2, url=httpserver.url_for("").rstrip("/"))
