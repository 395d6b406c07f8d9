"""Builds the OpenAPI document of the service."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pydantic import TypeAdapter

from dfo_prompt.service.labels import Comparison, FeedbackRequest, LabelRequest, Labels, PromptRequest, Taken
from dfo_prompt.service.wire import About, Answer, EvaluationRequest, Prediction, PredictionRequest

MESSAGES = (
    *(About, Answer, EvaluationRequest, Prediction, PredictionRequest),
    *(Comparison, FeedbackRequest, LabelRequest, Labels, PromptRequest, Taken),
)
REASONS: Mapping[int, str] = {
    400: "The request is not valid HTTP, is for another host, or is incomplete.",
    401: "No known token.",
    402: "The client's budget has too few candidates left.",
    403: "Only the client that trains may do this.",
    404: "The objective labels no texts, or no prompt is served.",
    408: "The body did not arrive in time.",
    409: "The id was used for another request, or another objective is served.",
    413: "The body, the candidates or the texts are too many.",
    415: "The content type is not application/json.",
    422: "The request is malformed; the reason says where.",
    429: "Too many requests run or wait; see Retry-After.",
    500: "The objective failed; nothing was charged.",
    503: "The store cannot be read or written; nothing was charged.",
}
BOTH = (400, 401, 402, 408, 409, 413, 415, 422, 429, 500, 503)


def document() -> dict[str, Any]:
    """Return the document, OpenAPI 3.1."""
    schemas: dict[str, Any] = {}
    for message in MESSAGES:
        schema = TypeAdapter(message).json_schema(ref_template="#/components/schemas/{model}")
        schemas |= {**schema.pop("$defs", {}), message.__name__: schema}
    error = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    return {
        "openapi": "3.1.0",
        "info": {"title": "dfo-prompt", "version": version("dfo-prompt"), "description": "Scores candidates z in R^d."},
        "paths": {
            "/health": {"get": {"summary": "Report that the service is alive.", "security": [], "responses": _plain()}},
            "/metrics": {"get": {"summary": "Metrics for Prometheus.", "responses": _plain(400, 401)}},
            "/openapi.json": {"get": {"summary": "This document.", "security": [], "responses": _plain()}},
            "/v1/about": {"get": {"summary": "Describe the served objective.", "responses": _answers("About", 400, 401)}},
            "/v1/evaluations": {"post": _post("Score candidates, once for each id.", "EvaluationRequest", "Answer", *BOTH)},
            "/v1/feedback": {
                "get": {
                    "summary": "All corrected labels, one JSON object per line.",
                    "responses": _plain(400, 401, 403, 503),
                },
                "post": _post("Store corrected labels, once for each id.", "FeedbackRequest", "Taken", *BOTH, 404),
            },
            "/v1/predict": {
                "post": _post(
                    "Label texts with the served prompt; an id is charged once.", "LabelRequest", "Labels", *BOTH, 404
                )
            },
            "/v1/prompt": {
                "post": _post(
                    "Serve a candidate if it is better on dev; an id is charged once.",
                    "PromptRequest",
                    "Comparison",
                    *BOTH,
                    403,
                    404,
                )
            },
            "/v1/predictions": {
                "post": _post("Label texts; an id is charged once.", "PredictionRequest", "Prediction", *BOTH, 404)
            },
        },
        "components": {
            "schemas": {**schemas, "Error": error},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _post(summary: str, takes: str, gives: str, *refusals: int) -> dict[str, Any]:
    return {"summary": summary, "requestBody": {"required": True, **_json(takes)}, "responses": _answers(gives, *refusals)}


def _answers(gives: str, *refusals: int) -> dict[str, Any]:
    return {**_plain(*refusals), "200": {"description": "The answer.", **_json(gives)}}


def _plain(*refusals: int) -> dict[str, Any]:
    failed = {str(status): {"description": REASONS[status], **_json("Error")} for status in refusals}
    return {"200": {"description": "The answer."}, **failed}


def _json(schema: str) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}
