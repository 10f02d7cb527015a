"""Gemini: `POST /v1beta/models/MODEL:generateContent`, or `:streamGenerateContent`."""

import json
from collections.abc import Iterator
from typing import Any

from tests.model.parts import Event, new_id
from tests.model.script import TOKENS_CACHED, TOKENS_IN, TOKENS_OUT, Ask, Reply, Tool, as_object, count_steps

USAGE = {
    "promptTokenCount": TOKENS_IN,
    "candidatesTokenCount": TOKENS_OUT,
    "totalTokenCount": TOKENS_IN + TOKENS_OUT,
    "cachedContentTokenCount": TOKENS_CACHED,
}
Part = dict[str, Any]


def read(body: dict[str, Any]) -> Ask:
    """Read a request; whether it streams stands in its path alone."""
    functions = [each for tool in body.get("tools") or [] for each in tool.get("functionDeclarations") or []]
    tools = [Tool(each["name"], each.get("parametersJsonSchema") or each.get("parameters") or {}) for each in functions]
    contents = body.get("contents") or []
    said = [content.get("parts") or [] for content in contents if content.get("role") != "model"]
    step = count_steps(sum("functionResponse" in part for part in parts) for parts in said)
    text = json.dumps(body.get("systemInstruction", "")) + json.dumps(contents)
    wants_json = (body.get("generationConfig") or {}).get("responseMimeType") == "application/json"
    return Ask(tools, step, text, stream=False, wants_json=wants_json)


def answer(reply: Reply, model: str) -> dict[str, Any]:
    parts: list[Part] = [{"text": reply.text}] if reply.text else []
    return _response(parts + _calls(reply), model) | {"usageMetadata": USAGE}


def stream(reply: Reply, model: str) -> Iterator[Event]:
    parts: list[Part] = [{"text": piece} for piece in reply.pieces] + _calls(reply)
    for part in parts[:-1]:
        yield None, _response([part], model, finish_reason=None)
    yield None, _response(parts[-1:], model) | {"usageMetadata": USAGE}


def refuse(status: int) -> dict[str, Any]:
    kinds = {401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED"}
    return {"error": {"code": status, "message": f"scripted {status}", "status": kinds.get(status, "INTERNAL")}}


def _response(parts: list[Part], model: str, finish_reason: str | None = "STOP") -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish_reason:
        candidate["finishReason"] = finish_reason
    return {"candidates": [candidate], "modelVersion": model, "responseId": new_id("r")}


def _calls(reply: Reply) -> list[Part]:
    return [{"functionCall": {"name": call.name, "args": as_object(call.arguments)}} for call in reply.calls]
