"""Offers to a service that takes them, refuses them or answers nonsense."""

import json

import numpy as np
import pytest
from fakes import Bowl
from werkzeug import Response

import dfo_prompt as dp
from dfo_prompt.errors import InputError, OutageError
from dfo_prompt.service.offering import offer
from dfo_prompt.service.wire import pack

Z = np.array([0.5, -1.0, 2.0])
OFFERED = {"prompt": "new", "score": 0.75, "loss": 0.5}
SERVED = {"prompt": "old", "score": 0.5, "loss": 0.6}
TAKEN = {"prompt": "new", "swapped": True, "metric": "accuracy", "offered": OFFERED, "served": SERVED}
PATIENCE = {"timeout": 5.0, "patience": 1.0}


def url_of(httpserver):
    return httpserver.url_for("").rstrip("/")


def test_a_candidate_is_sent_with_the_token_and_its_comparison_comes_back(httpserver, tmp_path):
    (tmp_path / "token").write_text("a" * 16)
    httpserver.expect_request("/v1/prompt", method="POST").respond_with_json(TAKEN)
    found = offer(Z, url=url_of(httpserver), token_file=tmp_path / "token", **PATIENCE)
    assert (found.swapped, found.prompt, found.metric) == (True, "new", "accuracy")
    assert (found.offered.score, found.served.loss) == (0.75, 0.6)
    ((request, _),) = httpserver.log
    sent = json.loads(request.data)
    assert sent == {"id": sent["id"], "candidate": pack(Z[None])}
    assert request.headers["Authorization"] == f"Bearer {'a' * 16}"


def test_an_offer_whose_answer_is_lost_is_sent_again_with_its_id_and_another_offer_has_another(httpserver):
    httpserver.expect_ordered_request("/v1/prompt").respond_with_response(Response("lost", 500, {"Retry-After": "0"}))
    httpserver.expect_ordered_request("/v1/prompt").respond_with_json(TAKEN)
    httpserver.expect_ordered_request("/v1/prompt").respond_with_json(TAKEN)
    for _ in range(2):
        assert offer(Z, url=url_of(httpserver), token_file=None, **PATIENCE).swapped
    first, again, other = (json.loads(request.data)["id"] for request, _ in httpserver.log)
    assert first == again != other


@pytest.mark.parametrize("flag", ["timeout", "patience"])
@pytest.mark.parametrize("value", ["nan", "inf", "0", "-1", "x"])
def test_seconds_are_finite_and_positive(program, flag, value):
    status, _, err = program("offer", "s", "--url", "http://127.0.0.1:1", f"--{flag}", value)
    assert (status, err.count("\n"), f"--{flag}" in err) == (2, 1, True), err


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Response(json.dumps({"error": "another dimension"}), 422), "status 422, another dimension"),
        (Response(json.dumps({**TAKEN, "swapped": "yes"})), "answers nonsense: .*swapped"),
        (Response("<html>"), "answers nonsense"),
    ],
)
def test_a_refusal_or_nonsense_is_an_outage(httpserver, reply, said):
    httpserver.expect_request("/v1/prompt").respond_with_response(reply)
    with pytest.raises(OutageError, match=said):
        offer(Z, url=url_of(httpserver), token_file=None, **PATIENCE)


def test_a_missing_token_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match="none"):
        offer(Z, url="http://127.0.0.1:9", token_file=tmp_path / "none", **PATIENCE)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (TAKEN, "accuracy on dev: 0.75 offered, 0.5 served; it is served from now on\n"),
        ({**TAKEN, "swapped": False}, "accuracy on dev: 0.75 offered, 0.5 served; it is served already\n"),
        (
            {**TAKEN, "swapped": False, "prompt": "old", "offered": {**OFFERED, "score": None}},
            "accuracy on dev: none offered, 0.5 served; the served prompt stays\n",
        ),
    ],
)
def test_the_command_offers_the_answer_of_a_study(httpserver, program, tmp_path, reply, outcome):
    httpserver.expect_request("/v1/prompt").respond_with_json(reply)
    result = dp.minimize(Bowl(), budget=8, out=tmp_path / "s")
    status, out, err = program("offer", "s", "--url", url_of(httpserver))
    assert (status, out) == (0, outcome), err
    assert json.loads(httpserver.log[0][0].data)["candidate"] == pack(result.chosen[None])
