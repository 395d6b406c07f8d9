"""The loop with a server process: serve a tuned prompt, collect corrected labels, continue tuning, replace the prompt."""

import json

import httpx2
import pytest

from dfo_prompt.study.candidates import candidate_hash
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.saved import read_candidate
from dfo_prompt.testing.tiny import WORDS

pytestmark = pytest.mark.slow

STUDY = "--shots 4 --device cpu --dim 6 --seed 2 --prompt-tokens 3 --dtype float32 --popsize 4 --test-examples 10"


@pytest.fixture
def tuned(program, tiny_folder, tiny_task, tmp_path):
    flags = [*STUDY.split(), "--model", str(tiny_folder), "--task", str(tiny_task), "--out"]
    assert program("run", *flags, "first", "--budget", "4")[0] == 0
    return tmp_path / "first"


def test_serve_predict_feedback_continue_swap(program, tmp_path, serve, tuned):
    server = serve("--from", str(tuned))
    first = candidate_hash(read_candidate(tuned))
    assert server.said[0].startswith(f"prompt {first}, accuracy on dev ")
    with httpx2.Client(base_url=server.url) as client:
        texts = [[" ".join(WORDS[i : i + 9])] for i in range(6)]
        labelled = client.post("/v1/predict", json={"texts": texts}).json()
        said = program("predict", str(tuned), *(text for (text,) in texts), "--json")[1]
        assert (labelled["prompt"], labelled["labels"]) == (first, [json.loads(line)["label"] for line in said.splitlines()])
        wrong = ["good" if label == "bad" else "bad" for label in labelled["labels"]]
        kept = client.post("/v1/feedback", json={"id": "1", "texts": texts, "labels": wrong}).json()
        assert kept["taken"] == 6
        server.kill()
        server.start()
        collected = client.get("/v1/feedback").content
        (tmp_path / "feedback.jsonl").write_bytes(collected)
        assert [json.loads(line)["label"] for line in collected.splitlines()] == wrong
        more = ["--continue-with", "feedback.jsonl", "--optimizer", "random", "--budget", "60", "--out", "second"]
        status, _, err = program("run", "--start-from", "first", *more)
        assert (status, "feedback: 6 of 6 rows of feedback.jsonl" in err) == (0, True), err
        assert read_manifest(tmp_path / "second")["start_from"]["candidate"] == first
        figures = {
            name: json.loads((tmp_path / name / "result.json").read_text())["held_out"] for name in ("first", "second")
        }
        status, out, err = program("offer", "second", "--url", server.url)
        assert status == 0, err
        scores = [f"{figures[name]['dev_metric']:.4g}" for name in ("second", "first")]
        assert out.startswith(f"accuracy on dev: {scores[0]} offered, {scores[1]} served; ")
        second = candidate_hash(read_candidate(tmp_path / "second"))
        assert "it is served from now on" in out  # 60 random candidates of a tiny model beat 4, in accuracy or in loss
        assert figures["second"]["dev_metric"] >= figures["first"]["dev_metric"]
        assert client.post("/v1/predict", json={"texts": texts}).json()["prompt"] == second
        server.kill()
        server.start()
        assert server.said[0].startswith(f"prompt {second}, accuracy on dev {scores[0]}, kept from an earlier offer")
        assert client.post("/v1/predict", json={"texts": texts}).json()["prompt"] == second
        assert "the served prompt stays" in program("offer", "first", "--url", server.url)[1]
        assert "it is served already" in program("offer", "second", "--url", server.url)[1]


def test_the_grown_study_is_served_as_well_and_feedback_is_for_it_too(program, tmp_path, serve, tuned):
    (tmp_path / "f.csv").write_text("text,label\nfun fun news,good\n")
    assert program("run", "--start-from", "first", "--continue-with", "f.csv", "--budget", "4", "--out", "second")[0] == 0
    message = {"id": "1", "texts": [["dull dull news"]], "labels": ["bad"]}
    for folder in ("first", "second"):
        server = serve("--from", str(tmp_path / folder))
        with httpx2.Client(base_url=server.url) as client:
            assert client.post("/v1/feedback", json=message).json()["replayed"] is (folder == "second")
        server.stop()


def test_bad_input_is_one_line(program, tmp_path, serve):
    assert program("run", "--objective", "sphere", "--dim", "3", "--budget", "8", "--out", "sphere")[0] == 0
    for flags, said in {
        "serve --from sphere --seed 3": "--from takes all settings from sphere; leave out seed",
        "serve --from sphere": "tunes no prompt",
        "serve --from none": "none is not a study folder",
        "offer none --url http://x": "none is not a study folder",
        "offer sphere --url x": "is no URL of a service",
        "offer sphere --url http://127.0.0.1:1 --patience 0.01": "gives no answer",
    }.items():
        status, _, err = program(*flags.split())
        assert (status, err.count("\n"), said in err) == (2, 1, True), err
    server = serve("--objective", "sphere", "--dim", "3")
    status, _, err = program("offer", "sphere", "--url", server.url)
    assert (status, "status 404, objective 'sphere' labels no texts" in err) == (2, True), err
