"""A server process that computes with a tiny model, in the ways of vLLM, SGLang, llama.cpp, OpenAI and /v1/systemone.

Run as `python model_server.py MODEL PORT LOG [FAULTS]`. The file FAULTS, read anew for each request, holds a JSON list of
what to do with requests, by their number from 0; see `Handler.misbehave`. LOG gets a line for each row that was scored,
"row TOKENS", and one for each request, "request PATH STATUS".
"""

import base64
import io
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

KEY = "sk-test-0123456789"


class Model:
    def __init__(self, folder: str) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.lock = Lock()

    @torch.inference_mode()
    def logs(self, row) -> tuple[torch.Tensor, int]:
        """Log-probabilities (V,) of what follows a text, token ids or embeddings (T, E), and T."""
        with self.lock:
            if isinstance(row, torch.Tensor):
                embeddings = row.float()
            else:
                ids = self.tokenizer(row).input_ids if isinstance(row, str) else row
                embeddings = self.model.get_input_embeddings()(torch.tensor(ids))
            logits = self.model(inputs_embeds=embeddings[None], use_cache=False).logits[0, -1]
            return logits.double().log_softmax(dim=-1), len(embeddings)

    def text(self, token: int) -> str:
        return " " + self.tokenizer.decode([token])


def embeddings_of(packed: str) -> torch.Tensor:
    return torch.load(io.BytesIO(base64.b64decode(packed)), weights_only=True)


def top(model: Model, logs: torch.Tensor, count: int) -> list[tuple[int, float]]:
    found = logs.topk(min(count, len(logs)))
    return list(zip(found.indices.tolist(), found.values.tolist(), strict=True))


def bill(tokens: int, cached: int = 0) -> dict:
    return {"prompt_tokens": tokens, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": cached}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model: Model
    log: Path
    faults: Path | None = None
    count = 0
    lock = Lock()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.lock:
            number, Handler.count = self.count, self.count + 1
        if self.headers.get("authorization", "") not in ("", f"Bearer {KEY}"):
            self.say(401, {"error": {"message": f"Incorrect key {self.headers['authorization'][7:]}"}})
            return
        if self.misbehave(number):
            return
        self.rows: list[int] = []
        answers = {
            "/v1/completions": self.completions,
            "/generate": self.generate,
            "/completion": self.completion,
            "/v1/chat/completions": self.chat,
            "/v1/systemone": self.systemone,
        }
        answer = answers[self.path](asked)
        self.note("".join(f"row {tokens}\n" for tokens in self.rows))
        self.say(200, answer)

    def score(self, row) -> torch.Tensor:
        logs, tokens = self.model.logs(row)
        self.rows.append(tokens)
        return logs

    def completions(self, asked: dict) -> dict:
        packed = asked.get("prompt_embeds")
        rows = [embeddings_of(block) for block in packed] if packed else asked["prompt"]
        choices = []
        for i, row in enumerate(rows):
            logs = self.score(row)
            if ids := asked.get("logprob_token_ids"):
                best = int(logs.argmax())
                listed = {f"token_id:{one}": float(logs[one]) for one in {best, *ids}}
            else:
                listed = {self.model.text(one): log for one, log in top(self.model, logs, asked["logprobs"])}
            choices.append({"index": i, "text": "", "logprobs": {"top_logprobs": [listed]}})
        usage = {**bill(sum(self.rows)), "completion_tokens": len(rows)}
        return {"model": "tiny", "choices": choices[::-1], "usage": usage}  # in any order

    def generate(self, asked: dict) -> list:
        rows = asked.get("text") or asked.get("input_ids") or [torch.tensor(row) for row in asked["input_embeds"]]
        answers = []
        for row in rows:
            logs = self.score(row)
            listed = [[float(logs[one]), one, None] for one in asked["token_ids_logprob"]]
            counts = {"prompt_tokens": self.rows[-1], "completion_tokens": asked["sampling_params"]["max_new_tokens"]}
            answers.append({"text": "", "meta_info": {**counts, "cached_tokens": 1, "output_token_ids_logprobs": [listed]}})
        return answers

    def completion(self, asked: dict) -> list | dict:
        answers = []
        for i, row in enumerate(asked["prompt"]):
            logs = self.score(row).clone()
            for token, bias in asked["logit_bias"]:
                logs[token] += bias
            probs = [{"id": one, "prob": log} for one, log in top(self.model, logs.softmax(dim=-1), asked["n_probs"])]
            answers.append(
                {
                    "index": i,
                    "model": "/models/tiny.gguf",
                    "tokens_evaluated": self.rows[-1],
                    "tokens_predicted": 1,
                    "truncated": False,
                    "timings": {"cache_n": 2},
                    "completion_probabilities": [{"id": 0, "top_probs": probs}],
                }
            )
        return answers if len(answers) > 1 else answers[0]

    def chat(self, asked: dict) -> dict:
        logs = self.score(asked["messages"][0]["content"])
        listed = [
            {"token": self.model.text(one), "logprob": log} for one, log in top(self.model, logs, asked["top_logprobs"])
        ]
        choice = {"index": 0, "logprobs": {"content": [{"token": "", "logprob": 0.0, "top_logprobs": listed}]}}
        return {"model": "tiny-2026", "choices": [choice], "usage": bill(self.rows[-1], cached=1)}

    def systemone(self, asked: dict) -> dict:
        ((name, question),) = asked["questions"].items()
        logs = self.score(asked["state"])
        options = list(question["criteria"])
        ids = [self.model.tokenizer(option).input_ids[0] for option in options]
        shares = logs[ids].softmax(dim=-1).tolist()
        answer = {"type": "choice", "choice": "", "probabilities": dict(zip(options, shares, strict=True))}
        return {
            "model": "tiny",
            "answers": {name: answer},
            "usage": {"input_tokens": self.rows[-1] + 30, "output_tokens": 0},
        }

    def misbehave(self, number: int) -> bool:
        """Answer a request wrongly, where the list says so: a status, "cut", "slow", "half", or a text to send."""
        faults = json.loads(self.faults.read_text()) if self.faults and self.faults.exists() else []
        fault = faults[number] if number < len(faults) else None
        if fault is None:
            return False
        if fault == "cut":
            self.close_connection = True
        elif fault == "slow":
            time.sleep(60)
            self.close_connection = True
        elif fault == "half":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"choices"')
            self.close_connection = True
        elif isinstance(fault, int):
            self.say(fault, {"error": {"message": "busy"}}, **{"Retry-After": "0"})
        else:
            self.say(200, fault)
        return True

    def say(self, status: int, message, **headers: str) -> None:
        data = (message if isinstance(message, str) else json.dumps(message)).encode()
        self.note(f"request {self.path} {status}\n")
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def note(self, text: str) -> None:
        with self.lock, self.log.open("a") as file:
            file.write(text)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    torch.set_num_threads(1)
    Handler.model, Handler.log = Model(sys.argv[1]), Path(sys.argv[3])
    Handler.faults = Path(sys.argv[4]) if len(sys.argv) > 4 else None
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
