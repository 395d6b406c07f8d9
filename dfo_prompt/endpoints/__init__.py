"""Queries language models behind an HTTP interface for the scores of label tokens, one module per kind of server."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.plugin.hookspecs import hookimpl

SERVERS = {
    "llama.cpp": ("llama_cpp:LlamaCpp", "The server of llama.cpp: texts and token ids, exact"),
    "vllm": ("vllm:Vllm", "vLLM: texts, token ids and embeddings, exact"),
    "sglang": ("sglang:SgLang", "SGLang: texts, token ids and embeddings, exact"),
    "openai": ("openai:OpenAi", "OpenAI's completions or chat, and servers like it: texts, the most likely tokens only"),
    "systemone": ("systemone:SystemOne", "Typed questions at /v1/systemone: texts, the probability of each option"),
}


@hookimpl
def dfo_prompt_endpoints() -> Iterable[Spec]:
    """Register the kinds of servers that this package supports."""
    for name, (target, summary) in SERVERS.items():
        yield Spec(name=name, target=f"dfo_prompt.endpoints.{target}", summary=f"{summary}.", extra="remote")
