"""Studies of prompts over a server process write the journal of the local study and repeat no query, despite faults."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytestmark = pytest.mark.slow

SETTINGS = ("--shots", "3", "--dim", "4", "--prompt-tokens", "2", "--popsize", "4", "--sigma", "0.5", "--budget", "8")


@pytest.fixture
def study(program, tiny_folder, tiny_task, tmp_path):
    """Runs a study in a folder; returns status, standard error and the folder."""

    def run(name, *flags):
        common = ("--model", str(tiny_folder), "--task", str(tiny_task), "--device", "cpu", *SETTINGS)
        folder = tmp_path / name
        status, _, err = program("run", *common, *flags, "--out", str(folder))
        return status, err, folder

    return run


def over(server, kind="vllm", *flags):
    return ("--endpoint-kind", kind, "--endpoint-url", server.url, "--endpoint-patience", "5", *flags)


def journal(folder, name="journal.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def same_losses(one, other, within=1e-6):
    ours, theirs = ([line["loss"] for line in journal(folder)] for folder in (one, other))
    assert ours == pytest.approx(theirs, abs=within)
    for name in ("journal.jsonl", "validation.jsonl"):
        left, right = journal(one, name), journal(other, name)
        assert [line["candidate"] for line in left] == [line["candidate"] for line in right]
        assert [line["metrics"] for line in left] == [line["metrics"] for line in right]


def errors(err):
    """The number of errors; plan, split, progress and retries are told too, in lines of their own."""
    return sum(line.startswith("error: ") for line in err.splitlines())


def spent(folder):
    found = json.loads((folder / "result.json").read_text())
    return {key: found["spent"][key] + found["validation"][key] for key in found["spent"]}


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


@pytest.mark.parametrize(("kind", "calibration"), [("vllm", "none"), ("vllm", "contextual"), ("sglang", "none")])
def test_servers_that_take_embeddings_give_the_journal_of_the_local_engine(study, model_server, kind, calibration):
    local = study("local", "--set", f"prompt.calibration={calibration}", "--set", "prompt.dtype=float32")
    model_server.forget()
    flags = ("--set", f"prompt.calibration={calibration}", *over(model_server, kind), "--endpoint-cache", "off")
    remote = study("remote", *flags)
    assert (local[0], remote[0]) == (0, 0), (local[1], remote[1])
    same_losses(local[2], remote[2])
    ours, theirs = spent(remote[2]), spent(local[2])
    assert ours["tokens"] == theirs["tokens"]
    assert ours["rows"] == theirs["rows"]
    assert (ours["unanswered"], ours["attempts"]) == (0, ours["requests"])
    about = manifest(remote[2])["objective"]
    assert about["model_fingerprint"] == manifest(local[2])["objective"]["model_fingerprint"]
    assert about["endpoint"]["exact"] is True
    generated = 0 if kind == "vllm" else len(model_server.lines("row"))  # the server's count has a token for each answer
    assert ours["billed_tokens"] + about["endpoint_probe"]["billed_tokens"] == model_server.tokens - generated


def test_a_prompt_tuned_over_an_endpoint_labels_texts_and_is_exported(study, program, model_server):
    folder = study("s", *over(model_server))[2]
    status, out, err = program("predict", str(folder), "a very good film", "dull", "--json")
    assert status == 0, err
    assert [sum(json.loads(line)["probabilities"].values()) for line in out.splitlines()] == pytest.approx([1, 1])
    assert program("export", str(folder), "--format", "safetensors")[0] == 0
    status, _, err = program("export", str(folder), "--format", "peft")
    assert (status, "needs the whole model, which only the endpoint has" in err) == (2, True), err


@pytest.mark.parametrize("kind", ["vllm", "sglang", "llama.cpp"])
def test_prompts_of_tokens_are_sent_as_ids(study, model_server, kind):
    flags = ("--objective", "trigger", "--sigma", "9")
    local = study("local", *flags, "--set", "prompt.dtype=float32")
    remote = study("remote", *flags, *over(model_server, kind))
    assert (local[0], remote[0]) == (0, 0), (local[1], remote[1])
    same_losses(local[2], remote[2])


@pytest.mark.parametrize("kind", ["vllm", "llama.cpp"])
def test_token_substitutions_are_chosen_here_and_scored_there(study, model_server, kind):
    near = {"objective.decoder": "tokens", "prompt.start": "text:it was a film", "prompt.projection_options.alpha": "4"}
    flags = ("--objective", "text-prompt", "--sigma", "1", *(f"--set={key}={value}" for key, value in near.items()))
    local = study("local", *flags, "--set", "prompt.dtype=float32")
    remote = study("remote", *flags, *over(model_server, kind))
    assert (local[0], remote[0]) == (0, 0), (local[1], remote[1])
    same_losses(local[2], remote[2])
    assert len({line["loss"] for line in journal(remote[2])}) > 1
    assert (local[2] / "prompt.txt").read_bytes() == (remote[2] / "prompt.txt").read_bytes()


def test_label_words_of_several_tokens_are_asked_token_by_token(study, model_server, tiny_task):
    tiny_task.write_text(tiny_task.read_text().replace('good = "good"', 'good = "very good fun"'))
    local = study("local", "--set", "prompt.dtype=float32")
    remote = study("remote", *over(model_server))
    assert (local[0], remote[0]) == (0, 0), (local[1], remote[1])
    same_losses(local[2], remote[2])
    status, err, _ = study("other", "--objective", "trigger", *over(model_server, "llama.cpp"))
    assert status == 2
    assert "compares labels of one token only, and 'very good fun' has 3" in err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ("--endpoint-kind", "openai"),
            "objective 'prompt' needs an endpoint that takes embeddings; endpoint 'openai'",
        ),
        (("--endpoint-kind", "llama.cpp"), "endpoint 'llama.cpp' takes text and tokens only"),
        (("--endpoint-kind", "vlm"), "unknown endpoint 'vlm'; did you mean 'vllm'?"),
        (("--prompt-layers", "all"), "prompt.layers 'all' needs the model here"),
        (("--set", "prompt.dtype=bfloat16"), "dtype 'bfloat16' is for the server"),
        (("--set", "endpoint.options.top=3"), "unknown option of endpoint 'vllm': 'top'"),
        (("--set", "endpoint.options.batch=0"), "endpoint 'vllm': batch: Input should be greater than or equal to 1"),
        (("--endpoint-timeout", "0"), "endpoint.timeout: Input should be greater than 0"),
        (("--endpoint-cache", "maybe"), "endpoint.cache: Input should be 'auto', 'on' or 'off'"),
        (("--endpoint-url", "localhost"), "'localhost' is no URL of a service"),
        (("--endpoint-key-env", "NO_SUCH_KEY"), "the environment variable NO_SUCH_KEY is not set"),
        (("--objective", "sphere"), "objective 'sphere' has no endpoint"),
        (("--method", "manual"), "method 'manual' needs the model in this process"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(study, model_server, flags, said):
    status, err, folder = study("refused", *over(model_server), *flags)
    assert (status, said in err, errors(err)) == (2, True, 1), err
    assert not (folder / "journal.jsonl").exists()


def test_another_model_than_that_of_the_client_is_refused(study, model_server, tmp_path):
    from dfo_prompt.testing.tiny import tiny_model, tiny_tokenizer

    tiny_model(seed=7).save_pretrained(tmp_path / "other")
    tiny_tokenizer().save_pretrained(tmp_path / "other")
    status, err, _ = study("s", *over(model_server), "--model", str(tmp_path / "other"))
    assert status == 2
    assert "serves another model than" in err


def test_a_wrong_key_is_an_outage_that_does_not_show_it(study, model_server, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-secret-987654")
    status, err, folder = study("s", *over(model_server, "vllm", "--endpoint-key-env", "MY_KEY"))
    assert (status, "status 401, Incorrect key ..." in err) == (2, True), err
    assert "secret" not in err
    monkeypatch.setenv("MY_KEY", "sk-test-0123456789")
    assert study("s", *over(model_server, "vllm", "--endpoint-key-env", "MY_KEY"))[0] == 0
    assert not [file for file in folder.rglob("*") if file.is_file() and b"sk-test" in file.read_bytes()]


def test_a_study_goes_on_at_another_address_with_another_patience_and_not_with_another_kind(study, own_server, model_server):
    own_server.misbehave(*[None] * 9, *["cut"] * 50)
    status, err, folder = study("s", *over(own_server), "--endpoint-patience", "0.2", "--endpoint-cache", "off")
    assert status == 2
    assert "gives no answer" in err
    before = manifest(folder)
    assert study("s", *over(model_server), "--endpoint-concurrency", "2")[0] == 0
    assert manifest(folder) == before
    status, err, _ = study("s", *over(model_server), "--set", "endpoint.options.batch=3")
    assert (status, "holds another study: endpoint.options.batch is" in err) == (2, True)


FAULTS = {
    "busy": [429, 408, 500, 502, 503, 429],
    "cut": ["cut", None, "cut", "half", None, "cut"],
}


@pytest.mark.parametrize("kind", FAULTS)
def test_faults_that_pass_change_nothing(study, own_server, kind):
    calm = study("calm", *over(own_server, "vllm", "--endpoint-patience", "30"), "--endpoint-cache", "off")
    own_server.forget()
    own_server.misbehave(*[None] * (own_server_requests(calm[2]) + 9), *FAULTS[kind])
    rough = study("rough", *over(own_server, "vllm", "--endpoint-patience", "30"), "--endpoint-cache", "off")
    assert (calm[0], rough[0]) == (0, 0), rough[1]
    assert (calm[2] / "journal.jsonl").read_bytes() == (rough[2] / "journal.jsonl").read_bytes()
    ours, theirs = spent(rough[2]), spent(calm[2])
    faults = sum(fault is not None for fault in FAULTS[kind])
    assert ours["requests"] == theirs["requests"]
    assert ours["attempts"] == theirs["attempts"] + faults
    assert ours["unanswered"] == (faults if kind == "cut" else 0)
    assert (ours["billed_tokens"] > theirs["billed_tokens"]) == (kind == "cut")  # those are charged at their estimate


def own_server_requests(folder):
    about = manifest(folder)["objective"]["endpoint_probe"]
    return spent(folder)["requests"] + about["requests"]


LASTING = {
    "silence": "slow",
    "garbage": "<html>",
    "no figures": {"choices": [], "usage": {"prompt_tokens": 1}},
    "NaN": '{"choices": [{"index": 0, "logprobs": {"top_logprobs": [{"token_id:5": NaN}]}}], "usage": {"prompt_tokens": 1}}',
}


@pytest.mark.parametrize("kind", LASTING)
def test_faults_that_last_stop_the_study_and_the_same_command_goes_on(study, own_server, kind):
    flags = (*over(own_server), "--endpoint-cache", "off", "--endpoint-patience", "0.2")
    flags += ("--endpoint-timeout", "4") if kind == "silence" else ()
    whole = study("whole", *over(own_server), "--endpoint-cache", "off")[2]
    done = own_server_requests(whole)
    own_server.misbehave(*[None] * (done + 15), *[LASTING[kind]] * 3)  # in the second batch
    status, err, folder = study("s", *flags)
    assert (status, errors(err)) == (2, 1), err
    assert 0 < len(journal(folder)) < 8
    own_server.misbehave()
    status, err, folder = study("s", *over(own_server), "--endpoint-cache", "off")
    assert status == 0, err
    assert (folder / "journal.jsonl").read_bytes() == (whole / "journal.jsonl").read_bytes()


def test_an_answer_that_is_too_large_stops_the_study(study, own_server, monkeypatch):
    from dfo_prompt._util import http

    own_server.misbehave(*[None] * 8, {"choices": [], "more": "x" * 200_000})
    monkeypatch.setattr(http, "LARGEST", 100_000)
    status, err, _ = study("s", *over(own_server))
    assert (status, "an answer of more than 100,000 bytes" in err) == (2, True), err


def test_client_and_server_killed_in_the_middle(own_server, study, tiny_folder, tiny_task, tmp_path):
    whole = study("whole", *over(own_server), "--endpoint-cache", "off")[2]
    folder = tmp_path / "killed"
    flags = ["--model", str(tiny_folder), "--task", str(tiny_task), "--device", "cpu", *SETTINGS, *over(own_server)]
    command = [sys.executable, "-m", "dfo_prompt", "run", *flags, "--endpoint-cache", "off", "--out", str(folder)]
    process = subprocess.Popen(
        command, env=os.environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    file = folder / "journal.jsonl"
    while not (file.exists() and file.stat().st_size):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    own_server.stop()
    status, err, _ = study("killed", *over(own_server), "--endpoint-cache", "off", "--endpoint-patience", "0.2")
    assert (status, "gives no answer" in err) == (2, True), err
    own_server.start()
    status, err, _ = study("killed", *over(own_server), "--endpoint-cache", "off")
    assert status == 0, err
    assert file.read_bytes() == (whole / "journal.jsonl").read_bytes()
    assert json.loads((folder / "result.json").read_text())["spent"]["queries"] == 8


def test_a_server_that_starts_again_within_our_patience_is_waited_for(own_server):
    from threading import Timer

    from dfo_prompt.config.endpoint import EndpointConfig
    from dfo_prompt.contracts.endpoint import Label
    from dfo_prompt.endpoints.opening import create_endpoint

    endpoint = create_endpoint(EndpointConfig(kind="vllm", url=own_server.url, patience=120.0))
    labels = [Label(text=" bad", token=5)]
    before = endpoint.score(["it was"], labels)
    own_server.stop()
    timer = Timer(0.5, own_server.start)
    timer.start()
    again = endpoint.score(["it was"], labels)
    timer.join()
    assert again.logs == pytest.approx(before.logs)
    assert again.usage.attempts > again.usage.requests == 1


def test_a_client_loads_no_layers(tiny_folder):
    from dfo_prompt.lm.load import load_model
    from dfo_prompt.lm.shell import load_shell

    shell, whole = load_shell("m", tiny_folder, device="cpu"), load_model("m", tiny_folder, device="cpu")
    assert shell.fingerprint == whole.fingerprint
    ids = np.arange(whole.vocabulary)
    assert (shell.embed(ids) == whole.embed(ids)).all()
    weights = [name for name, _ in shell.model.named_parameters()]
    assert "embed_tokens.weight" in weights
    assert not [name for name in weights if "layers" in name or "lm_head" in name]


def test_what_is_no_decoder_has_no_shell(tmp_path):
    from dfo_prompt.errors import ModelError
    from dfo_prompt.lm.shell import load_shell
    from dfo_prompt.testing.tiny import tiny_model, tiny_tokenizer

    tiny_model("bert").save_pretrained(tmp_path)
    tiny_tokenizer(mask=True).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="it is a masked model, and endpoints need a decoder-only model"):
        load_shell("m", tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ModelError, match="cannot load model 'm'"):
        load_shell("m", tmp_path)


@pytest.mark.parametrize("family", ["qwen2", "gemma2", "gemma3_text", "gpt2", "gpt_neox", "opt", "cohere"])
def test_families_embed_alike_with_and_without_layers(tmp_path, family):
    from dfo_prompt.lm.load import load_model
    from dfo_prompt.lm.shell import load_shell
    from dfo_prompt.testing.tiny import tiny_model, tiny_tokenizer

    tiny_model(family).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    shell, whole = (load("m", tmp_path, device="cpu") for load in (load_shell, load_model))
    ids = np.arange(whole.vocabulary)
    assert (shell.embed(ids) == whole.embed(ids)).all()
    assert (shell.max_tokens, shell.width, shell.vocabulary) == (whole.max_tokens, whole.width, whole.vocabulary)
    renamed = family == "gpt_neox"  # its checkpoints call weights otherwise
    assert (shell.fingerprint == whole.fingerprint) != renamed


LISTED = '''
import numpy as np
import dfo_prompt as dp


class Listed:
    """Takes token ids, lists the first label only, and answers so many calls."""

    def __init__(self, *, url: str, model: str, calls: int = 1000):
        self.left = calls

    def probe(self, labels):
        return dp.Capabilities(forms=frozenset({dp.Form.TOKENS}), exact=False, top=1)

    def score(self, rows, labels):
        usage, self.left = self.estimate(rows), self.left - 1
        if self.left < 0:
            raise dp.EndpointOutageError("no more", usage=usage)
        bounds = np.array([[place > 0 for place in range(len(labels))] for _ in rows])
        return dp.Scores(logs=np.full(bounds.shape, -1.0), bounds=bounds, usage=usage)

    def estimate(self, rows):
        return dp.Usage(requests=1, billed_tokens=sum(map(len, rows)))

    def describe(self):
        return {"kind": "listed"}


@dp.hookimpl
def dfo_prompt_endpoints():
    return [dp.Spec(name="listed", target="listed:Listed", summary="")]
'''


@pytest.fixture
def listed(tiny_folder, tiny_task):
    """Builds an objective over a stranger's endpoint."""
    import dfo_prompt as dp
    from dfo_prompt.plugin.catalogue import plugin_files

    file = tiny_task.parent / "listed.py"
    file.write_text(LISTED)
    problem = dp.ProblemConfig(model=tiny_folder, task=tiny_task, shots=3, device="cpu")

    def build(calls=1000):
        with plugin_files(file):
            endpoint = dp.EndpointConfig(kind="listed", url="http://x", cache="off", options={"calls": calls})
            return dp.create_objective("trigger", dim=2, problem=problem, endpoint=endpoint)

    return build


def test_labels_that_are_bounds_are_counted(listed):
    found = listed().evaluate(np.zeros((3, 2)))
    assert found.metrics["bounded"].tolist() == [6.0] * 3  # one of two labels on each of six texts


def test_an_outage_has_the_usage_of_all_candidates(listed):
    from dfo_prompt.errors import OutageError

    objective = listed(2)
    once = listed().evaluate(np.zeros((1, 2))).usage
    with pytest.raises(OutageError, match="no more") as raised:
        objective.evaluate(np.arange(8.0).reshape(4, 2))
    assert raised.value.usage.requests == 3
    assert raised.value.usage.billed_tokens == 3 * once.billed_tokens


def test_an_objective_estimates_what_its_candidates_consume(listed):
    objective = listed()
    assert objective.estimate(2).billed_tokens == objective.evaluate(np.zeros((2, 2))).usage.billed_tokens
    assert objective.estimate(1, "dev").requests == 1
