"""OpenAI chat completions: `POST /v1/chat/completions`."""

import json
import time
from collections.abc import Iterator
from typing import Any

from tests.model.parts import Event, new_id, refuse
from tests.model.script import TOKENS_CACHED, TOKENS_IN, TOKENS_OUT, Ask, Reply, Tool, as_json, count_steps

__all__ = ["answer", "read", "refuse", "stream"]

USAGE = {
    "prompt_tokens": TOKENS_IN,
    "completion_tokens": TOKENS_OUT,
    "total_tokens": TOKENS_IN + TOKENS_OUT,
    "prompt_tokens_details": {"cached_tokens": TOKENS_CACHED},
}


def read(body: dict[str, Any]) -> Ask:
    functions = [tool["function"] for tool in body.get("tools") or [] if tool.get("type") == "function"]
    tools = [Tool(function["name"], function.get("parameters") or {}) for function in functions]
    messages = body.get("messages") or []
    roles = [message.get("role") for message in messages]
    step = count_steps(int(role == "tool") for role in roles if role in {"tool", "user"})
    return Ask(tools, step, json.dumps(messages), bool(body.get("stream")))


def answer(reply: Reply, model: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.calls:
        message["tool_calls"] = _calls(reply)
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(reply)}
    return _envelope("chat.completion", model) | {"choices": [choice], "usage": USAGE}


def stream(reply: Reply, model: str) -> Iterator[Event]:
    chunk = _envelope("chat.completion.chunk", model)

    def delta(said: dict[str, Any], finish_reason: str | None = None) -> Event:
        return None, chunk | {"choices": [{"index": 0, "delta": said, "finish_reason": finish_reason}]}

    yield delta({"role": "assistant", "content": ""})
    for piece in reply.pieces:
        yield delta({"content": piece})
    if reply.calls:
        yield delta({"tool_calls": [{"index": index} | call for index, call in enumerate(_calls(reply))]})
    yield delta({}, _finish_reason(reply))
    yield None, chunk | {"choices": [], "usage": USAGE}
    yield None, "[DONE]"


def _envelope(kind: str, model: str) -> dict[str, Any]:
    return {"id": new_id("chatcmpl-"), "object": kind, "created": int(time.time()), "model": model}


def _calls(reply: Reply) -> list[dict[str, Any]]:
    return [
        {
            "id": new_id("call_"),
            "type": "function",
            "function": {"name": call.name, "arguments": as_json(call.arguments)},
        }
        for call in reply.calls
    ]


def _finish_reason(reply: Reply) -> str:
    return "tool_calls" if reply.calls else "stop"
