"""Each kind of endpoint against a server process that computes with a tiny model and answers in the kind's format."""

import json
from pathlib import Path

import numpy as np
import pytest

import dfo_prompt as dp
from dfo_prompt.config.endpoint import EndpointConfig
from dfo_prompt.contracts.endpoint import EndpointOutageError, Form, Label
from dfo_prompt.endpoints.opening import create_endpoint
from dfo_prompt.testing.tiny import tiny_lm

TEXTS = ["the film was", "a very long and dull story . it was", "it was", "the plot was fun . it was", "news :"]
KINDS = ("vllm", "sglang", "llama.cpp", "openai", "systemone")
MORE = {"sglang": -1, "systemone": 29}
"""The tokens that a kind bills for a row beyond one for its answer."""
RECORDED = json.loads((Path(__file__).parent / "sglang.json").read_text())
"""A request and an answer of SGLang 0.5.23 for each form, with the tiny model in bfloat16 on a processor."""


@pytest.fixture(scope="module")
def lm():
    return tiny_lm()


@pytest.fixture(scope="module")
def labels(lm):
    return [Label(text=f" {word}", token=lm.tokens(word)[0]) for word in ("bad", "good", "great")]


def endpoint_of(server, kind, **options):
    return create_endpoint(EndpointConfig(kind=kind, url=server.url, patience=5.0, cache="off", options=options))


def whole(lm, text):
    """Log-probabilities (V,) by the model in this process."""
    import torch

    with torch.inference_mode():
        return lm.model(input_ids=torch.tensor([lm.tokens(text)])).logits[0, -1].double().log_softmax(dim=-1).numpy()


@pytest.fixture(scope="module")
def expected(lm, labels):
    return np.array([whole(lm, text)[[label.token for label in labels]] for text in TEXTS])


def conditional(logs):
    return logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))


def embedded(lm, text):
    return lm.embed(np.array(lm.tokens(text))).numpy()


FORMS = {"text": lambda _, text: text, "tokens": lambda lm, text: tuple(lm.tokens(text)), "embeddings": embedded}


@pytest.mark.parametrize("form", Form)
def test_vllm_scores_all_forms_exactly(model_server, lm, labels, expected, form):
    found = endpoint_of(model_server, "vllm", batch=2).score([FORMS[form](lm, text) for text in TEXTS], labels)
    assert found.logs == pytest.approx(expected, abs=1e-5)
    assert not found.bounds.any()
    assert (found.usage.requests, found.usage.attempts, found.usage.billed_tokens) == (3, 3, model_server.tokens)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("form", Form)
def test_sglang_scores_all_forms_exactly(model_server, lm, labels, expected, form, batch):
    found = endpoint_of(model_server, "sglang", batch=batch).score([FORMS[form](lm, text) for text in TEXTS], labels)
    assert found.logs == pytest.approx(expected, abs=1e-5)
    assert not found.bounds.any()
    assert found.usage.billed_tokens == model_server.tokens - len(TEXTS)  # nothing is generated
    assert found.usage.cached_tokens == len(TEXTS)


@pytest.mark.parametrize("form", Form)
def test_sglang_itself_answered_what_is_asked_for(httpserver, lm, labels, expected, form):
    request, response = RECORDED[form]["request"], RECORDED[form]["response"]
    httpserver.expect_request("/generate").respond_with_json(response)
    endpoint = create_endpoint(EndpointConfig(kind="sglang", url=httpserver.url_for(""), cache="off"))
    found = endpoint.score([FORMS[form](lm, text) for text in TEXTS[:3]], labels)
    asked = httpserver.log[0][0].get_json()
    for ours, theirs in zip(asked.pop("input_embeds", []), request.get("input_embeds", []), strict=True):
        assert np.array(ours) == pytest.approx(np.array(theirs), abs=1e-6)
    assert asked == {key: value for key, value in request.items() if key != "input_embeds"}
    assert found.logs == pytest.approx(expected[:3], abs=0.01)  # bfloat16; in this process, it differs by 0.013
    assert (found.usage.billed_tokens, found.usage.tokens) == (14, 14)


@pytest.mark.parametrize("form", [Form.TEXT, Form.TOKENS])
@pytest.mark.parametrize("batch", [1, 3])
def test_llama_cpp_scores_the_labels_among_each_other(model_server, lm, labels, expected, form, batch):
    found = endpoint_of(model_server, "llama.cpp", batch=batch).score([FORMS[form](lm, text) for text in TEXTS], labels)
    assert found.logs == pytest.approx(conditional(expected), abs=1e-5)
    assert found.usage.billed_tokens == model_server.tokens
    assert found.usage.cached_tokens == 2 * len(TEXTS)


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_openai_scores_what_is_listed_and_bounds_the_rest(model_server, lm, labels, expected, api):
    found = endpoint_of(model_server, "openai", api=api, top=5).score(TEXTS, labels)
    for row, text in enumerate(TEXTS):
        listed = np.sort(whole(lm, text))[-5:]
        for column in range(len(labels)):
            known = expected[row, column] >= listed[0]
            assert found.bounds[row, column] == (not known)
            assert found.logs[row, column] == pytest.approx(expected[row, column] if known else listed[0], abs=1e-5)
    assert 0 < found.bounds.sum() < found.bounds.size  # both happen
    assert (found.logs >= expected - 1e-5).all()
    assert found.usage.billed_tokens == model_server.tokens
    assert found.usage.requests == (5 if api == "chat" else 1)


def test_completions_continue_a_text(model_server, labels):
    assert endpoint_of(model_server, "openai", api="completions").probe(labels).continues


def test_systemone_gives_the_options_probabilities(model_server, labels, expected):
    found = endpoint_of(model_server, "systemone", instructions="Which?").score(TEXTS, labels)
    assert found.logs == pytest.approx(conditional(expected), abs=1e-5)
    assert found.usage.billed_tokens == model_server.tokens + len(TEXTS) * MORE["systemone"]


def test_a_criterion_of_another_word_is_refused_before_a_question(httpserver, labels):
    options = {"criteria": {"good": "praise", "baad": "blame"}}
    endpoint = create_endpoint(EndpointConfig(kind="systemone", url=httpserver.url_for(""), options=options))
    with pytest.raises(
        dp.InputError,
        match="endpoint.options.criteria: 'baad' is no label word of one token; describe only 'bad', 'good', 'great'",
    ):
        endpoint.probe(labels)
    assert not httpserver.log


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_says_what_an_endpoint_can_do(model_server, labels, kind):
    endpoint = endpoint_of(model_server, kind)
    can = endpoint.probe(labels)
    takes = {
        "vllm": {*Form},
        "sglang": {*Form},
        "llama.cpp": {Form.TEXT, Form.TOKENS},
        "openai": {Form.TEXT},
        "systemone": {Form.TEXT},
    }
    assert can.forms == takes[kind]
    assert (can.exact, can.top > 0) == ((False, True) if kind == "openai" else (True, False))
    assert can.normalised == (kind in ("llama.cpp", "systemone"))
    assert can.continues == (kind != "openai")
    assert can.spread < 1e-6
    assert can.usage.billed_tokens == model_server.tokens + 4 * MORE.get(kind, 0)
    assert endpoint.describe().get("served_model", "")[:4] == ("" if kind == "sglang" else "tiny")  # it names no model


@pytest.mark.slow
def test_a_probe_that_is_tried_again_is_said_once(own_server, labels, caplog):
    own_server.misbehave("cut")
    with caplog.at_level("INFO"):
        endpoint_of(own_server, "vllm").probe(labels)
    said = [record for record in caplog.records if "retried" in record.getMessage() or record.name == "stamina"]
    assert len(said) == 1
    assert said[0].getMessage().startswith(f"service {own_server.url}: ")


@pytest.mark.parametrize("kind", KINDS)
def test_estimates_are_the_most_that_is_billed(model_server, lm, labels, kind):
    endpoint = endpoint_of(model_server, kind)
    for form in endpoint.probe(labels).forms:
        rows = [FORMS[form](lm, text) for text in TEXTS]
        estimate, took = endpoint.estimate(rows), endpoint.score(rows, labels).usage
        assert took.billed_tokens <= estimate.billed_tokens
        assert (took.requests, took.attempts) == (estimate.requests, estimate.attempts)


def test_no_rows_are_no_request(model_server, labels):
    found = endpoint_of(model_server, "vllm").score([], labels)
    assert found.logs.shape == found.bounds.shape == (0, 3)
    assert found.usage == dp.Usage()


@pytest.mark.parametrize("kind", ["vllm", "sglang", "llama.cpp"])
def test_labels_without_an_id_are_refused_where_it_is_needed(model_server, kind):
    with pytest.raises(dp.InputError, match=f"endpoint '{kind}' takes labels by token id, and ' bad' has none"):
        endpoint_of(model_server, kind).probe([Label(text=" bad")])


def test_an_address_may_end_in_v1(model_server, labels):
    endpoint = create_endpoint(EndpointConfig(kind="openai", url=f"{model_server.url}/v1/"))
    assert endpoint.score(TEXTS[:1], labels).logs.shape == (1, 3)


def test_a_server_with_something_else_cannot_score(httpserver, labels):
    httpserver.expect_request("/v1/completions").respond_with_json(
        {"choices": [{"index": 0, "text": " great"}], "usage": {"prompt_tokens": 3}}
    )
    with pytest.raises(dp.InputError, match="endpoint 'vllm' cannot score these labels: .*without log-probabilities"):
        create_endpoint(EndpointConfig(kind="vllm", url=httpserver.url_for(""))).probe(labels)


@pytest.mark.parametrize("status", [400, 404, 422, 501])
def test_a_server_that_refuses_the_request_cannot_score(httpserver, labels, status):
    httpserver.expect_request("/v1/systemone").respond_with_json({"error": {"message": "no decision model"}}, status)
    with pytest.raises(dp.InputError, match=f"cannot score these labels: .*status {status}, no decision model"):
        create_endpoint(EndpointConfig(kind="systemone", url=httpserver.url_for(""))).probe(labels)
    assert len(httpserver.log) == 1


GOOD = {"model": "m", "choices": [{"index": 0, "logprobs": {"top_logprobs": [{"token_id:5": -1.0}]}}]}
GOOD["usage"] = {"prompt_tokens": 3, "completion_tokens": 1}


def choice(**changes):
    return {**GOOD, "choices": [{**GOOD["choices"][0], **changes}]}


GARBAGE = {
    "html": "<html>",
    "nothing": "",
    "list": [],
    "no choices": {"usage": GOOD["usage"]},
    "two choices": {**GOOD, "choices": GOOD["choices"] * 2},
    "other index": choice(index=1),
    "other token": choice(logprobs={"top_logprobs": [{"token_id:6": -1.0}]}),
    "NaN": '{"choices": [{"index": 0, "logprobs": {"top_logprobs": [{"token_id:5": NaN}]}}], "usage": {"prompt_tokens": 1}}',
    "infinite": choice(logprobs={"top_logprobs": [{"token_id:5": "x"}]})
    .__repr__()
    .replace("'x'", "-1e999")
    .replace("'", '"'),
    "positive": choice(logprobs={"top_logprobs": [{"token_id:5": 0.5}]}),
    "text": choice(logprobs={"top_logprobs": [{"token_id:5": "-1.0"}]}),
    "null": choice(logprobs=None),
    "no usage": {"choices": GOOD["choices"]},
    "negative usage": {**GOOD, "usage": {"prompt_tokens": -3}},
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_an_outage_that_is_paid_for(httpserver, kind):
    body = GARBAGE[kind]
    handler = httpserver.expect_request("/v1/completions")
    handler.respond_with_data(body) if isinstance(body, str) else handler.respond_with_json(body)
    endpoint = create_endpoint(EndpointConfig(kind="vllm", url=httpserver.url_for("")))
    with pytest.raises(EndpointOutageError, match="answers nonsense: .*; fix it, and the same command goes on") as raised:
        endpoint.score(["a"], [Label(text="b", token=5)])
    usage, most = raised.value.usage, endpoint.estimate(["a"])
    assert (usage.requests, usage.attempts, len(httpserver.log)) == (1, 1, 1)
    assert (usage.unanswered, usage.billed_tokens) == (1, most.billed_tokens)  # the server may bill it
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["vllm", "systemone"])
def test_probabilities_of_the_labels_that_add_up_to_more_than_1_are_nonsense(httpserver, labels, kind):
    logs = {f"token_id:{label.token}": -0.1 for label in labels}
    shares = {label.text.strip(): 0.9 for label in labels}
    usage = {"input_tokens": 3, "output_tokens": 1}
    decisions = {"answers": {"label": {"probabilities": shares}}, "usage": usage, "model": "m"}
    httpserver.expect_request("/v1/completions").respond_with_json(choice(logprobs={"top_logprobs": [logs]}))
    httpserver.expect_request("/v1/systemone").respond_with_json(decisions)
    endpoint = create_endpoint(EndpointConfig(kind=kind, url=httpserver.url_for("")))
    with pytest.raises(EndpointOutageError, match="nonsense: probabilities of the labels that add up to 2.7"):
        endpoint.score(["a"], labels)


def test_what_garbage_is_measured_against_is_good(httpserver):
    httpserver.expect_request("/v1/completions").respond_with_json(GOOD)
    found = create_endpoint(EndpointConfig(kind="vllm", url=httpserver.url_for(""))).score(["a"], [Label(text="b", token=5)])
    assert found.logs.tolist() == [[-1.0]]


@pytest.mark.parametrize(
    "logprobs",
    [
        *(None, {}, {"content": None}, {"content": []}, {"content": [{"top_logprobs": []}]}),
        *({"top_logprobs": []}, {"top_logprobs": [None]}, {"top_logprobs": [{}]}),
    ],
)
@pytest.mark.parametrize("api", ["chat", "completions"])
def test_an_answer_that_lists_no_token_is_an_outage(httpserver, labels, api, logprobs):
    answer = {"choices": [{"index": 0, "logprobs": logprobs}], "usage": {"prompt_tokens": 3}}
    httpserver.expect_request("/v1/chat/completions").respond_with_json(answer)
    httpserver.expect_request("/v1/completions").respond_with_json(answer)
    endpoint = create_endpoint(EndpointConfig(kind="openai", url=httpserver.url_for(""), options={"api": api}))
    with pytest.raises(EndpointOutageError, match="answers nonsense: an answer without log-probabilities"):
        endpoint.score(["a"], labels)


def test_a_probability_of_zero_is_a_bound(httpserver):
    probs = [{"id": 5, "prob": 1.0}, {"id": 6, "prob": 0.0}]
    answer = {"tokens_evaluated": 2, "tokens_predicted": 1, "completion_probabilities": [{"top_probs": probs}]}
    httpserver.expect_request("/completion").respond_with_json(answer)
    endpoint = create_endpoint(EndpointConfig(kind="llama.cpp", url=httpserver.url_for("")))
    found = endpoint.score(["a"], [Label(text="b", token=5), Label(text="c", token=6)])
    assert found.bounds.tolist() == [[False, True]]
    assert found.logs[0, 1] == pytest.approx(np.log(1.1754944e-38))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"truncated": True}, "longer than the server's context"),
        ({"completion_probabilities": [{"top_probs": [{"id": 5, "prob": 0.4}]}]}, "do not add up to 1"),
        ({"completion_probabilities": []}, "ignores logit_bias"),
    ],
)
def test_what_llama_cpp_must_not_answer(httpserver, change, said):
    answer = {"tokens_evaluated": 2, "tokens_predicted": 1}
    answer |= {"completion_probabilities": [{"top_probs": [{"id": 5, "prob": 1.0}]}]} | change
    httpserver.expect_request("/completion").respond_with_json(answer)
    endpoint = create_endpoint(EndpointConfig(kind="llama.cpp", url=httpserver.url_for("")))
    with pytest.raises(EndpointOutageError, match=said):
        endpoint.score(["a"], [Label(text="b", token=5)])


def generated(*listed, **counts):
    return {"meta_info": {"prompt_tokens": 2, "completion_tokens": 0, "output_token_ids_logprobs": [[*listed]], **counts}}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (generated([-1.0, 5, None]), "no list of 1 answers"),
        ([], "no list of 1 answers"),
        ([generated([-1.0, 5, None])] * 2, "no list of 1 answers"),
        (["text"], "no JSON object"),
        ([{"meta_info": {"prompt_tokens": 2, "completion_tokens": 1}}], "output_token_ids_logprobs"),
        ([generated([-1.0, 6, None])], "no score of the token 5"),
        ([generated(output_token_ids_logprobs=[])], "no score of the token 5"),
        ([generated([None, 5, None])], "valid number"),
        ([generated([0.5, 5, None])], "add up to 1.65"),
        ([generated([-1.0, 5, None], prompt_tokens=1)], "cut to the server's context"),
    ],
)
def test_what_sglang_must_not_answer(httpserver, answer, said):
    httpserver.expect_request("/generate").respond_with_json(answer)
    endpoint = create_endpoint(EndpointConfig(kind="sglang", url=httpserver.url_for("")))
    with pytest.raises(EndpointOutageError, match=f"answers nonsense: .*{said}"):
        endpoint.score([(3, 4)], [Label(text="b", token=5)])


def test_embeddings_that_sglang_refuses_end_the_study_with_its_reason(httpserver, labels):
    reason = "input_embeds is provided while disable_radix_cache is False. Please add `--disable-radix-cache`"
    httpserver.expect_request("/generate").respond_with_json({"error": {"message": reason}}, 400)
    endpoint = create_endpoint(EndpointConfig(kind="sglang", url=httpserver.url_for("")))
    with pytest.raises(EndpointOutageError, match="--disable-radix-cache") as raised:
        endpoint.score([np.zeros((2, 4), dtype=np.float32)], labels)
    assert raised.value.refused


def test_an_interrupt_does_not_pay_for_requests_that_wait(model_server, labels, monkeypatch):
    from threading import Event

    from dfo_prompt.endpoints import served

    asked, cancelled, cancel = [], Event(), served._cancel

    def ask(self, rows, labels):
        asked.append(rows)
        if len(asked) == 1:
            raise KeyboardInterrupt
        assert cancelled.wait(60)

    monkeypatch.setattr(served.ServedEndpoint, "_ask", ask)
    monkeypatch.setattr(served, "_cancel", lambda requests: (cancel(requests), cancelled.set()))
    endpoint = endpoint_of(model_server, "vllm", batch=1)
    endpoint._concurrency = 1
    with pytest.raises(KeyboardInterrupt):
        endpoint.score([f"text {i}" for i in range(20)], labels)
    assert len(asked) <= 2
