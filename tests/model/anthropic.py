"""Anthropic Messages: `POST /v1/messages`."""

import json
from collections.abc import Iterator
from typing import Any

from tests.model.parts import Event, new_id, refuse
from tests.model.script import TOKENS_CACHED, TOKENS_IN, TOKENS_OUT, Ask, Reply, Tool, as_json, as_object, count_steps

__all__ = ["answer", "read", "refuse", "stream"]

USAGE = {
    "input_tokens": TOKENS_IN,
    "output_tokens": TOKENS_OUT,
    "cache_read_input_tokens": TOKENS_CACHED,
    "cache_creation_input_tokens": 0,
}


def read(body: dict[str, Any]) -> Ask:
    tools = [Tool(tool["name"], tool.get("input_schema") or {}) for tool in body.get("tools") or [] if "name" in tool]
    messages = body.get("messages") or []
    said = [message.get("content") for message in messages if message.get("role") == "user"]
    text = json.dumps(body.get("system", "")) + json.dumps(messages)
    return Ask(tools, count_steps(map(_results, said)), text, bool(body.get("stream")))


def _results(content: Any) -> int:
    blocks = content if isinstance(content, list) else []
    return sum(block.get("type") == "tool_result" for block in blocks)


def answer(reply: Reply, model: str) -> dict[str, Any]:
    return _message(model) | {"content": _blocks(reply), "stop_reason": _stop_reason(reply), "usage": USAGE}


def stream(reply: Reply, model: str) -> Iterator[Event]:
    begun = _message(model) | {"usage": USAGE | {"output_tokens": 1}}
    yield "message_start", {"type": "message_start", "message": begun}
    for index, block in enumerate(_blocks(reply)):
        yield from _stream_block(index, block, reply)
    delta = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
    yield "message_delta", {"type": "message_delta", "delta": delta, "usage": USAGE}
    yield "message_stop", {"type": "message_stop"}


def _stream_block(index: int, block: dict[str, Any], reply: Reply) -> Iterator[Event]:
    empty: dict[str, Any]
    if block["type"] == "text":
        empty, deltas = {"text": ""}, [{"type": "text_delta", "text": piece} for piece in reply.pieces]
    else:
        empty, deltas = {"input": {}}, [{"type": "input_json_delta", "partial_json": as_json(block["input"])}]
    yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": block | empty}
    for delta in deltas:
        yield "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}
    yield "content_block_stop", {"type": "content_block_stop", "index": index}


def _message(model: str) -> dict[str, Any]:
    return {
        "id": new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _blocks(reply: Reply) -> list[dict[str, Any]]:
    text = [{"type": "text", "text": reply.text}] if reply.text else []
    return text + [
        {"type": "tool_use", "id": new_id("toolu_"), "name": call.name, "input": as_object(call.arguments)}
        for call in reply.calls
    ]


def _stop_reason(reply: Reply) -> str:
    return "tool_use" if reply.calls else "end_turn"
