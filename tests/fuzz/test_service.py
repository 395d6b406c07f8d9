"""Valid and invalid requests, generated from the OpenAPI document, get no status 500 from a real server process."""

import subprocess
import sys
from collections import Counter

import httpx2
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from servers import LABELLING, Server

from dfo_prompt.service.openapi import document
from dfo_prompt.service.wire import pack

pytestmark = [pytest.mark.timeout(6 * 3600), pytest.mark.slow]  # of the nightly lane

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = {f"{one.method.upper()} {one.path}": one for one in (found.ok() for found in SCHEMA.get_all_operations())}
POSTS = 5
EXAMPLES = max(60, settings().max_examples // POSTS)
"""Of each operation: the nightly lane's 10,000 are shared by those that have bodies."""
SOUND = {"candidates": pack(np.ones((1, 3))), "candidate": pack(np.ones((1, 3))), "fingerprint": "", "split": "dev"}


def make_sound(body):
    """Put what the document cannot say of some values in their place: candidates of d numbers, names of classes."""
    body.update({key: value for key, value in SOUND.items() if key in body})
    texts = body.get("texts")
    if isinstance(texts, list) and all(isinstance(text, list) for text in texts):
        body["texts"] = [text[:1] for text in texts]
        if "labels" in body:
            body["labels"] = ["long"] * len(texts)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def answered():
    return Counter()


@pytest.fixture(scope="module")
def url(place, answered):
    plugin = place / "labelling_plugin.py"
    plugin.write_text(LABELLING)
    study = ["run", "--objective", "labelling", "--dim", "3", "--budget", "8", "--out", "study"]
    subprocess.run([sys.executable, "-m", "dfo_prompt", "--plugin", str(plugin), *study], cwd=place, check=True)
    server = Server(place, "--from", "study", "--most-bytes", "20000", plugin=plugin).start()
    try:
        yield server.url
        figures = httpx2.get(f"{server.url}/metrics").text
        for path in ("evaluations", "feedback", "predict", "predictions", "prompt"):
            assert f'path="/v1/{path}",status="200"' in figures  # not all are refused
    finally:
        status = server.stop()
    assert status == 0
    assert (place / "server.log").read_text() == ""


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_request_by_the_document_makes_the_service_fail(url, place, answered, name):
    operation = OPERATIONS[name]
    modes = [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if operation.body else [])]

    @given(case=st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes]), sound=st.booleans())
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[*HealthCheck])
    def ask(case, sound):
        if sound and isinstance(case.body, dict):
            make_sound(case.body)
        response = case.call(base_url=url)
        answered[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    ask()
    (place / "answered.txt").write_text(f"{answered.total()} requests by status: {dict(answered)}")
