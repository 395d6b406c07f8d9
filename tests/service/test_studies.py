"""Studies against a real server process equal local ones, whatever happens to the server."""

import json
import signal
import subprocess
import sys
import threading
import time

import httpx2
import numpy as np
import pytest
from servers import TOKEN, blocked

from dfo_prompt.run.factory import create_objective
from dfo_prompt.study.costs import read_spent
from dfo_prompt.study.records import Account, read_records

pytestmark = pytest.mark.slow

JOURNALS = ("journal.jsonl", "validation.jsonl", "candidates.f64")


def remote(program, url, flags, out, *more):
    return program("run", "--objective", "remote", "--set", f"objective.url={url}", *flags.split(), *more, "--out", out)


def assert_same(tmp_path, one, other, names=JOURNALS):
    for name in names:
        files = [tmp_path / folder / name for folder in (one, other)]
        assert files[0].exists() == files[1].exists()
        assert not files[0].exists() or files[0].read_bytes() == files[1].read_bytes(), name


def test_a_study_of_a_function_has_the_local_bytes_and_the_server_ends_well(program, tmp_path, serve):
    flags = "--dim 3 --seed 1 --budget 50 --popsize 8"
    server = serve("--objective", "sphere", "--dim", "3", "--seed", "1")
    status, _, err = remote(program, server.url, flags, "remote")
    assert status == 0, err
    assert program("run", "--objective", "sphere", *flags.split(), "--out", "local")[0] == 0
    assert_same(tmp_path, "remote", "local")
    spent = read_spent(tmp_path / "remote")
    assert (spent.requests, spent.rows) == (7, 50)
    assert 50 * 8 * 3 * 4 / 3 < spent.uploaded < 50 * 8 * 3 * 4 / 3 + 7 * 250  # base64, and the rest of seven requests
    assert 0 < spent.downloaded < 50 * 30 + 7 * 250
    assert server.stop() == 0


def test_held_out_examples_and_missing_losses_are_as_local(program, tmp_path, serve, slow_plugin):
    server = serve("--objective", "slow", "--dim", "4", plugin=slow_plugin)
    flags = "--dim 4 --budget 60 --popsize 6 --validate-every 20"
    status, _, err = remote(program, server.url, flags, "remote")
    assert status == 0, err
    local = "--objective slow --dim 4 --budget 60 --popsize 6 --validate-every 20 --out local"
    assert program("--plugin", str(slow_plugin), "run", *local.split())[0] == 0
    assert_same(tmp_path, "remote", "local")
    assert "nonfinite" in {record.status for record in read_records(tmp_path / "remote")}
    figures = [json.loads((tmp_path / name / "result.json").read_text())["held_out"] for name in ("remote", "local")]
    assert figures[0] == figures[1]


def test_a_prompt_is_tuned_where_torch_cannot_be_imported(program, tmp_path, serve, tiny_folder, tiny_task):
    problem = f"--model {tiny_folder} --task {tiny_task} --shots 4 --device cpu --dim 6 --seed 2".split()
    prompt = ["--prompt-tokens", "3", "--dtype", "float32"]
    server = serve(*problem, *prompt)
    (tmp_path / "none").mkdir()
    lean = blocked(tmp_path / "none", "torch", "transformers", "starlette", "uvicorn")
    search = ["--dim", "6", "--seed", "2", "--budget", "24", "--popsize", "6", "--out"]
    ours = ["run", "--objective", "remote", "--set", f"objective.url={server.url}", *search, "remote"]

    def lean_program(*arguments):
        command = [sys.executable, "-m", "dfo_prompt", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=lean, capture_output=True, text=True, check=False)

    done = lean_program(*ours)
    assert done.returncode == 0, done.stderr
    labelled = lean_program("predict", "remote", "good film", "a bad plot")
    assert labelled.returncode == 0, labelled.stderr
    local_objective = lean_program("run", "--model", str(tiny_folder), "--task", str(tiny_task), "--out", "none-such")
    assert (local_objective.returncode, "blocked torch" in local_objective.stderr) == (2, True)
    assert program("run", *problem, *prompt, *search, "local")[0] == 0
    for account in Account:
        pairs = zip(*(read_records(tmp_path / name, account) for name in ("remote", "local")), strict=True)
        for served, other in pairs:
            assert (served.candidate, served.split, served.role, served.status) == (
                other.candidate,
                other.split,
                other.role,
                other.status,
            )
            assert served.loss == pytest.approx(other.loss, abs=1e-6)
            assert served.metrics == pytest.approx(other.metrics)
    assert program("predict", "local", "good film", "a bad plot")[1] == labelled.stdout
    result = json.loads((tmp_path / "remote" / "result.json").read_text())
    if (peak := httpx2.get(f"{server.url}/v1/about").json()["peak_bytes"]) is not None:  # as Linux says
        assert 2**25 < result["user_bytes"] < result["peak_bytes"] <= peak  # the server has torch and the model
    ours, theirs = (read_spent(tmp_path / name) for name in ("remote", "local"))
    assert (ours.rows, ours.tokens) == (theirs.rows, theirs.tokens)


def asked(tmp_path):
    return (tmp_path / "server" / "asked.txt").read_text().splitlines()


def charged(tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "server" / "service.sqlite") as store:
        found = store.execute("SELECT SUM(candidates) FROM charges").fetchone()[0]
    store.close()
    return found


def test_a_server_that_is_killed_in_the_middle_and_started_again_changes_nothing(program, tmp_path, serve, slow_plugin):
    flags = "--dim 4 --budget 60 --popsize 6"
    server = serve("--objective", "slow", "--dim", "4", "--set", "objective.seconds=0.02", plugin=slow_plugin)

    def kill_thrice():
        for count in (8, 20, 45):
            while not (tmp_path / "server" / "asked.txt").exists() or len(asked(tmp_path)) < count:
                time.sleep(0.005)
            server.kill()
            server.start()

    killer = threading.Thread(target=kill_thrice)
    killer.start()
    status, _, err = remote(program, server.url, flags, "remote")
    killer.join()
    assert status == 0, err
    local = f"--objective slow {flags} --out local"
    assert program("--plugin", str(slow_plugin), "run", *local.split())[0] == 0
    assert_same(tmp_path, "remote", "local")
    evaluations = sum(len(read_records(tmp_path / "remote", account)) for account in Account)
    assert charged(tmp_path) == evaluations
    assert len(set(asked(tmp_path))) <= evaluations <= len(asked(tmp_path)) <= evaluations + 3 * 6


def test_a_study_stops_where_the_server_is_gone_and_goes_on_with_another_address(program, tmp_path, serve, slow_plugin):
    search = "--dim 4 --budget 60 --popsize 6"
    flags = f"{search} --set objective.patience=0.01"
    server = serve("--objective", "slow", "--dim", "4", "--set", "objective.seconds=0.02", plugin=slow_plugin)

    def kill():
        while not (tmp_path / "server" / "asked.txt").exists() or len(asked(tmp_path)) < 20:
            time.sleep(0.005)
        server.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    status, _, err = remote(program, server.url, flags, "remote")
    killer.join()
    assert (status, err.count("error: service"), "the same command goes on from here" in err) == (2, 1, True)
    before = read_records(tmp_path / "remote")
    assert 0 < len(before) < 60
    assert {record.status for record in before} <= {"ok", "nonfinite"}
    status, _, err = remote(program, server.url, flags, "remote")
    assert (status, "gives no answer" in err) == (2, True)
    other = serve("--objective", "slow", "--dim", "4", "--set", "objective.seconds=0.02", plugin=slow_plugin)
    assert other.url != server.url
    status, _, err = remote(program, other.url, flags, "remote")
    assert status == 0, err
    assert program("--plugin", str(slow_plugin), "run", *f"--objective slow {search} --out local".split())[0] == 0
    assert_same(tmp_path, "remote", "local")
    assert charged(tmp_path) == sum(len(read_records(tmp_path / "remote", account)) for account in Account)


def test_clients_that_are_killed_have_each_candidate_evaluated_once(program, tmp_path, serve, slow_plugin):
    search = ["--dim", "4", "--budget", "60", "--popsize", "6"]
    server = serve("--objective", "slow", "--dim", "4", "--set", "objective.seconds=0.05", plugin=slow_plugin)
    ours = ["run", "--objective", "remote", "--set", f"objective.url={server.url}", *search, "--out", "remote"]
    for count in (8, 20, 45):
        client = subprocess.Popen([sys.executable, "-m", "dfo_prompt", *ours], cwd=tmp_path, stderr=subprocess.DEVNULL)
        while not (tmp_path / "server" / "asked.txt").exists() or len(asked(tmp_path)) < count:
            time.sleep(0.005)
        client.kill()
        client.wait()
    status, _, err = program(*ours)
    assert status == 0, err
    assert program("--plugin", str(slow_plugin), "run", "--objective", "slow", *search, "--out", "local")[0] == 0
    assert_same(tmp_path, "remote", "local")
    evaluations = sum(len(read_records(tmp_path / "remote", account)) for account in Account)
    assert len(asked(tmp_path)) == charged(tmp_path) == evaluations


def test_a_server_that_is_told_to_stop_finishes_what_it_is_at(tmp_path, serve, slow_plugin):
    server = serve("--objective", "slow", "--dim", "4", "--set", "objective.seconds=0.3", plugin=slow_plugin)
    objective = create_objective("remote", dim=4, url=server.url, patience=0.01)
    found = []
    asking = threading.Thread(target=lambda: found.append(objective.evaluate(np.zeros((1, 4)))))
    asking.start()
    while not (tmp_path / "server" / "asked.txt").exists():
        time.sleep(0.005)
    server.process.send_signal(signal.SIGINT)
    asking.join()
    assert found[0].losses.tolist() == [0.0]
    assert (server.process.wait(), charged(tmp_path)) == (0, 1)
    assert (tmp_path / "server" / "server.log").read_text() == ""


def test_another_objective_at_the_address_is_refused(program, tmp_path, serve):
    flags = "--dim 3 --seed 1 --budget 16 --popsize 8"
    first = serve("--objective", "sphere", "--dim", "3", "--seed", "1")
    assert remote(program, first.url, flags, "remote")[0] == 0
    first.stop()
    second = serve("--objective", "sphere", "--dim", "3", "--seed", "2")
    status, _, err = remote(program, second.url, flags, "remote")
    assert (status, "holds another study: fingerprint is" in err) == (2, True)
    status, _, err = remote(program, second.url, "--dim 4 --budget 16", "other")
    assert (status, "has d = 3, not 4" in err) == (2, True)


def test_tokens_and_budgets(program, tmp_path, serve):
    tokens = tmp_path / "tokens"
    tokens.write_text(f"# clients\nann {TOKEN}\nbob {TOKEN}-bob 20\n")
    for name, token in {"ann": TOKEN, "bob": f"bob {TOKEN}-bob", "eve": f"{TOKEN}-eve"}.items():
        (tmp_path / name).write_text(token)
    server = serve("--objective", "sphere", "--dim", "3", "--token-file", str(tokens))
    flags = "--dim 3 --budget 30 --popsize 8"
    found = {}
    for name in ("none", "eve", "ann", "bob"):
        more = [] if name == "none" else ["--set", f"objective.token_file={tmp_path / name}"]
        found[name] = remote(program, server.url, flags, f"by-{name}", *more)
    assert {name: status for name, (status, _, _) in found.items()} == {"none": 2, "eve": 2, "ann": 0, "bob": 2}
    assert "status 401, a known token is needed" in found["none"][2]
    assert "status 401" in found["eve"][2]
    assert "status 402, 8 candidates requested, 4 left of 20" in found["bob"][2]
    assert len(read_records(tmp_path / "by-bob")) == 16
    assert all(np.isfinite(record.loss) for record in read_records(tmp_path / "by-bob"))
    assert not any(TOKEN in file.read_text(errors="replace") for file in (tmp_path / "by-ann").iterdir() if file.is_file())
