"""The ledger holds what services bill by their own count, to the nano-dollar."""

import json
import random
import urllib.error
import urllib.request

import numpy as np
import pytest
from werkzeug import Response

import dfo_prompt as dp
from dfo_prompt.config.prices import Prices
from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import OutageError
from dfo_prompt.study.costs import read_spent
from dfo_prompt.study.records import Account, read_records
from dfo_prompt.types import Matrix

ROWS = 8
PRICES = Prices(input="0.15", output="0.6", request="0.00001")


def tokens_of(candidates):
    """What a row takes depends on its candidate: from 5 tokens to 14."""
    return [[5 + int(1e6 * abs(z[row % len(z)])) % 10 for row in range(ROWS)] for z in candidates]


class Biller:
    """A service of texts without ids: it bills what it processes, whether or not its answer arrives.

    One request in ten is processed, billed and answered by 500; another one in ten is turned away by 429, unbilled.
    """

    def __init__(self):
        self.rng, self.bill, self.failed = random.Random(1), 0, 0

    def __call__(self, request):
        fate, asked = self.rng.random(), json.loads(request.data)
        if fate < 0.1:
            return Response("busy", 429)
        tokens = sum(map(sum, asked["tokens"]))
        self.bill += 150 * tokens + 600 * ROWS * len(asked["tokens"]) + 10_000  # nano-dollars
        if fate < 0.2:
            self.failed += 1
            return Response("lost", 500)
        return Response(json.dumps({"losses": asked["losses"], "usage": {"tokens": tokens, "cached": 0}}))


class Texts:
    """Asks a biller, up to `tries` times a batch; a try without an answer is charged what it was sent."""

    def __init__(self, url: str, tries: int = 2) -> None:
        self.dim, self.url, self.tries = 4, url, tries

    def describe(self):
        return {"url": self.url}

    def estimate(self, count: int) -> Usage:
        one = Usage(rows=ROWS, tokens=14 * ROWS).times(count)
        return (one + Usage(requests=1)).times(self.tries)

    def evaluate(self, candidates: Matrix) -> Evaluation:
        tokens, losses = tokens_of(candidates), (candidates**2).sum(axis=1)
        data = json.dumps({"tokens": tokens, "losses": losses.tolist()}).encode()
        sent = Usage(requests=1, attempts=1, rows=ROWS * len(candidates), tokens=sum(map(sum, tokens)))
        used = Usage()
        for _ in range(self.tries):
            try:
                with urllib.request.urlopen(urllib.request.Request(self.url, data)) as reply:
                    answer = json.load(reply)
            except urllib.error.HTTPError as error:
                error.close()
                used += sent + Usage(unanswered=1) if error.code == 500 else Usage(attempts=1)
                continue
            return Evaluation(losses=np.array(answer["losses"]), usage=used + sent)
        raise OutageError("no answer", usage=used)


@pytest.mark.parametrize("tries", [2, 5])
def test_a_bill_is_the_ledger_s_to_the_nanodollar_though_one_request_in_ten_fails(tmp_path, httpserver, tries):
    biller = Biller()
    httpserver.expect_request("/").respond_with_handler(biller)
    options = {"budget": 400, "popsize": 4, "out": tmp_path / "s", "limits": {"dollars": "0.1"}, "prices": PRICES}
    outages = 0
    while True:
        try:
            result = dp.minimize(Texts(httpserver.url_for("/"), tries), **options)
            break
        except OutageError:
            outages += 1
            found = sum(read_spent(tmp_path / "s", account).nanodollars for account in Account)
            assert found == biller.bill
    assert biller.failed >= 5
    assert (outages > 0) == (tries == 2)
    assert result.spent.nanodollars + result.validation.nanodollars == biller.bill
    assert result.spent.unanswered + result.validation.unanswered == biller.failed
    assert result.spent.queries == 400


def test_a_limit_of_money_is_kept_by_the_biller_s_own_count(tmp_path, httpserver):
    biller = Biller()
    httpserver.expect_request("/").respond_with_handler(biller)
    folder, limit = tmp_path / "s", 3_000_000
    options = {"budget": 400, "popsize": 4, "out": folder, "limits": {"dollars": "0.003"}, "prices": PRICES}
    result = dp.minimize(Texts(httpserver.url_for("/"), 5), **options)
    assert result.stop_reason == "limits.nanodollars"
    assert biller.bill - result.validation.nanodollars == result.spent.nanodollars <= limit
    config = json.loads((folder / "manifest.json").read_text())["config"]
    assert (config["limits"], config["prices"]["input"]) == ({"nanodollars": limit}, "0.15")


ABOUT = {
    "objective": "billed",
    "dim": 2,
    "seed": 0,
    "fingerprint": "f",
    "description": {},
    "splits": ["train"],
    "estimate": {"train": {"rows": 3, "tokens": 40, "nanodollars": 9_000, "joules": 1}},
}


def test_a_service_that_replays_bills_each_batch_once_and_so_does_the_ledger(tmp_path, httpserver):
    rng, answers, failures = random.Random(2), {}, []

    def evaluate(request):
        asked = json.loads(request.data)
        count = asked["candidates"]["shape"][0]
        if rng.random() < 0.05:
            failures.append("before")
            return Response("{}", 503, {"Retry-After": "0"})
        usage = {"rows": 3 * count, "tokens": 31 * count, "nanodollars": rng.randrange(9_000 * count)}
        answer = {"losses": [0.5] * count, "metrics": {}, "usage": usage, "replayed": asked["id"] in answers}
        answers.setdefault(asked["id"], {"id": asked["id"], **answer})
        if rng.random() < 0.05:
            failures.append("after")
            return Response("{}", 503, {"Retry-After": "0"})
        return Response(json.dumps(answers[asked["id"]]))

    httpserver.expect_request("/v1/about").respond_with_json(ABOUT)
    httpserver.expect_request("/v1/evaluations").respond_with_handler(evaluate)
    objective = dp.create_objective("remote", dim=2, url=httpserver.url_for("").rstrip("/"), patience=5.0)
    limits = {"dollars": "0.0015", "tokens": 50_000, "requests": 300}
    result = dp.minimize(objective, budget=400, popsize=4, limits=limits, out=tmp_path / "s")
    billed = sum(answer["usage"]["nanodollars"] for answer in answers.values())
    assert {*failures} == {"before", "after"}
    assert result.spent.nanodollars + result.validation.nanodollars == billed
    assert result.stop_reason == "limits.nanodollars"
    assert result.spent.nanodollars <= 1_500_000
    assert result.spent.attempts + result.validation.attempts == len(answers) + len(failures)
    assert len(read_records(tmp_path / "s")) == result.spent.queries


def test_a_service_tells_what_candidates_take(httpserver):
    httpserver.expect_request("/v1/about").respond_with_json({**ABOUT, "limits": {"candidates": 3}})
    objective = dp.create_objective("remote", dim=2, url=httpserver.url_for("").rstrip("/"))
    found = objective.estimate(7)
    assert (found.rows, found.tokens, found.nanodollars, found.requests) == (21, 280, 63_000, 3)
    assert objective.estimate(7, "dev").tokens == 0
