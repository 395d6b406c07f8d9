"""Despite faults between client and server process, each study ends with the local bytes and pays once per candidate."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
from contextlib import suppress

import httpx2
import numpy as np
import pytest
from proxies import proxy
from servers import TOKEN
from werkzeug import Response

from dfo_prompt.service.wire import pack
from dfo_prompt.study.records import Account, read_records

pytestmark = pytest.mark.slow

JOURNALS = ("journal.jsonl", "validation.jsonl", "candidates.f64")
SEARCH = ["--dim", "4", "--budget", "30", "--popsize", "6", "--validate-every", "12"]
SLOW = ["--objective", "slow", "--dim", "4"]
CLOCK = """
import random, time
drawn, true_time = random.Random(0), time.time
time.time = lambda: true_time() + drawn.choice([-1e9, 0, 3600, 1e9])
"""


@pytest.fixture
def local(program, tmp_path, slow_plugin):
    status, _, err = program("--plugin", str(slow_plugin), "run", *SLOW, *SEARCH[2:], "--out", "local")
    assert status == 0, err
    return tmp_path / "local"


def remote(program, url, out="remote", *more, patience=30):
    settings = [f"objective.url={url}", f"objective.patience={patience}", *more]
    return program(
        "run", "--objective", "remote", *SEARCH, *(part for setting in settings for part in ("--set", setting)), "--out", out
    )


def evaluations(folder):
    return sum(len(read_records(folder, account)) for account in Account)


def charges(tmp_path):
    with sqlite3.connect(tmp_path / "server" / "service.sqlite") as store:
        found = dict(store.execute("SELECT client, candidates FROM charges").fetchall())
    store.close()
    return found


def check(tmp_path, local, server, *folders, charged=None):
    """The folders hold what the local one does; every candidate was charged once; the server is well."""
    for folder in folders:
        for name in JOURNALS:
            assert (tmp_path / folder / name).read_bytes() == (local / name).read_bytes(), (folder, name)
    assert charges(tmp_path) == ({"anyone": evaluations(local)} if charged is None else charged)
    assert httpx2.get(f"{server.url}/health").json() == {"status": "ok"}


def test_answers_that_are_cut_off_are_replayed(program, tmp_path, serve, slow_plugin, local):
    server = serve(*SLOW, plugin=slow_plugin)
    with proxy(server.url, None, 0, 40, 900, 1700, 0) as between:
        assert httpx2.get(f"{between.url}/health").status_code == 200  # takes the connection without a limit
        status, _, err = remote(program, between.url)
    assert status == 0, err
    assert between.broken >= 4
    check(tmp_path, local, server, "remote")


def test_answers_that_stall_are_replayed(program, tmp_path, serve, slow_plugin, local):
    server = serve(*SLOW, plugin=slow_plugin)
    with proxy(server.url, 0, 1500, None, stall=True) as between:
        status, _, err = remote(program, between.url, "remote", "objective.timeout=1.0")
    assert status == 0, err
    assert between.broken == 2
    check(tmp_path, local, server, "remote")


def test_an_objective_that_fails_now_and_then_is_asked_again(program, tmp_path, serve, slow_plugin, local):
    server = serve(*SLOW, "--set", "objective.fails=3", plugin=slow_plugin)
    status, _, err = remote(program, server.url)
    assert status == 0, err
    check(tmp_path, local, server, "remote")
    assert 'status="500"' in httpx2.get(f"{server.url}/metrics").text


def test_more_studies_than_there_is_room_for_wait_their_turn(tmp_path, serve, slow_plugin, local):
    flags = ["--concurrency", "1", "--set", "objective.seconds=0.05"]
    server = serve(*SLOW, *flags, plugin=slow_plugin)
    studies = []
    for name in "abc":
        ours = ["--set", f"objective.url={server.url}", "--set", f"objective.run={name}"]
        command = [sys.executable, "-m", "dfo_prompt", "run", "--objective", "remote", *SEARCH, *ours, "--out", name]
        studies.append(subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
    assert [study.wait() for study in studies] == [0, 0, 0]
    check(tmp_path, local, server, *"abc", charged={"anyone": 3 * evaluations(local)})
    assert 'status="429"' in httpx2.get(f"{server.url}/metrics").text


def test_two_studies_that_send_the_same_ids_at_once_are_evaluated_once(tmp_path, serve, slow_plugin, local):
    server = serve(*SLOW, "--set", "objective.seconds=0.05", plugin=slow_plugin)
    command = [sys.executable, "-m", "dfo_prompt", "run", "--objective", "remote", *SEARCH, "--set"]
    studies = [
        subprocess.Popen([*command, f"objective.url={server.url}", "--out", name], cwd=tmp_path, stdout=subprocess.DEVNULL)
        for name in "ab"
    ]
    assert [study.wait() for study in studies] == [0, 0]
    check(tmp_path, local, server, "a", "b")


def test_two_clients_with_the_same_ids_are_each_charged(program, tmp_path, serve, slow_plugin, local):
    (tmp_path / "tokens").write_text(f"ann {TOKEN}\nbob {TOKEN}-bob\n")
    server = serve(*SLOW, "--token-file", str(tmp_path / "tokens"), plugin=slow_plugin)
    for name, token in {"ann": TOKEN, "bob": f"{TOKEN}-bob"}.items():
        (tmp_path / f"{name}.token").write_text(token)
        status, _, err = remote(program, server.url, name, f"objective.token_file={tmp_path / name}.token")
        assert status == 0, err
    check(tmp_path, local, server, "ann", "bob", charged=dict.fromkeys(("ann", "bob"), evaluations(local)))


def test_clocks_that_jump_on_both_sides_change_nothing(tmp_path, serve, slow_plugin, local):
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(CLOCK)
    path = os.pathsep.join([str(tmp_path / "clock"), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, "PYTHONPATH": path}
    server = serve(*SLOW, "--set", "objective.fails=4", plugin=slow_plugin, env=env)
    command = [sys.executable, "-m", "dfo_prompt", "run", "--objective", "remote", *SEARCH, "--out", "remote", "--set"]
    done = subprocess.run([*command, f"objective.url={server.url}"], cwd=tmp_path, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    check(tmp_path, local, server, "remote")


def test_a_small_limit_of_a_request_only_makes_more_of_them(program, tmp_path, serve, slow_plugin, local):
    server = serve(*SLOW, "--most-bytes", "1200", "--most-candidates", "4", plugin=slow_plugin)
    status, _, err = remote(program, server.url)
    assert status == 0, err
    check(tmp_path, local, server, "remote")


def test_garbage_on_the_way_stops_the_study_and_the_same_command_goes_on(
    program, tmp_path, serve, slow_plugin, local, httpserver
):
    server = serve(*SLOW, plugin=slow_plugin)
    asked = []

    def forward(request):
        asked.append(request)
        url, body = f"{server.url}{request.path}", request.get_data()
        answer = httpx2.request(request.method, url, content=body, headers={"Content-Type": "application/json"})
        broken = {6: answer.content.replace(b'"losses":[', b'"losses":[NaN,'), 9: b"<html>"}
        return Response(broken.get(len(asked), answer.content), answer.status_code, content_type="application/json")

    httpserver.expect_request(re.compile(".*")).respond_with_handler(forward)
    url = httpserver.url_for("").rstrip("/")
    found = [remote(program, url) for _ in range(3)]
    assert [status for status, _, _ in found] == [2, 2, 0], found
    assert all("answers nonsense" in err and "the same command goes on" in err for _, _, err in found[:2])
    check(tmp_path, local, server, "remote")


def test_a_server_outlives_whatever_is_sent_to_it(program, tmp_path, serve, slow_plugin, local):
    server = serve(*SLOW, "--most-bytes", "2000", plugin=slow_plugin)
    port = int(server.url.rpartition(":")[2])
    head = b"POST /v1/evaluations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    hostile = [
        b"\x16\x03\x01 no http",
        b"\x00" * 10_000,
        head + b"Content-Length: 999999999999\r\n\r\n{",
        head + b"Content-Length: -1\r\n\r\n{}",
        head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        head + b"X: " + b"a" * 200_000,
        head + b"Content-Length: 5000\r\n\r\n" + b"{" * 5000,
        head[:30],
    ]
    for sent in hostile:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as end:
            end.sendall(sent)
            end.shutdown(socket.SHUT_WR)
            while end.recv(65536):
                pass
    block = pack(np.full((1, 4), np.nan))
    answer = httpx2.post(f"{server.url}/v1/evaluations", json={"id": "nan", "candidates": block})
    assert (answer.status_code, "not finite" in answer.json()["error"]) == (422, True)
    status, _, err = remote(program, server.url)
    assert status == 0, err
    check(tmp_path, local, server, "remote")
