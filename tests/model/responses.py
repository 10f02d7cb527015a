"""OpenAI responses: `POST /v1/responses`."""

import json
import time
from collections.abc import Iterator
from typing import Any

from tests.model.parts import Event, new_id, refuse
from tests.model.script import TOKENS_CACHED, TOKENS_IN, TOKENS_OUT, Ask, Call, Reply, Tool, as_json, count_steps

__all__ = ["answer", "read", "refuse", "stream"]

USAGE = {
    "input_tokens": TOKENS_IN,
    "input_tokens_details": {"cached_tokens": TOKENS_CACHED},
    "output_tokens": TOKENS_OUT,
    "output_tokens_details": {"reasoning_tokens": 10},
    "total_tokens": TOKENS_IN + TOKENS_OUT,
}
Item = dict[str, Any]


def read(body: dict[str, Any]) -> Ask:
    given = body.get("input", "")
    items = given if isinstance(given, list) else []
    step = count_steps(int(_is_result(item)) for item in items if _is_result(item) or item.get("role") == "user")
    tools = [tool for offered in body.get("tools") or [] for tool in _tools(offered)]
    return Ask(tools, step, json.dumps(given), bool(body.get("stream")))


def _is_result(item: Item) -> bool:
    return str(item.get("type", "")).endswith("_output")


def _tools(offered: Item) -> Iterator[Tool]:
    match offered.get("type"):
        case "function":
            yield Tool(offered["name"], offered.get("parameters") or {})
        case "custom":
            yield Tool(offered["name"], free=True)
        case "namespace":
            for tool in offered.get("tools") or []:
                yield Tool(f"{offered['name']}.{tool.get('name', '?')}", tool.get("parameters") or {})
        case str(built_in):
            yield Tool(built_in)


def answer(reply: Reply, model: str) -> dict[str, Any]:
    return _finished(_response(model), _items(reply))


def stream(reply: Reply, model: str) -> Iterator[Event]:
    for number, (kind, data) in enumerate(_events(reply, _response(model))):
        yield kind, {"type": kind, "sequence_number": number} | data


def _events(reply: Reply, response: Item) -> Iterator[tuple[str, Item]]:
    items = _items(reply)
    yield "response.created", {"response": response}
    for index, item in enumerate(items):
        yield "response.output_item.added", {"output_index": index, "item": _begun(item)}
        for kind, data in _deltas(item, reply):
            yield kind, {"item_id": item["id"], "output_index": index} | data
        yield "response.output_item.done", {"output_index": index, "item": item}
    yield "response.completed", {"response": _finished(response, items)}


def _begun(item: Item) -> Item:
    empty: Item = {"content": []} if "content" in item else {"arguments": ""} if "arguments" in item else {}
    return item | {"status": "in_progress"} | empty


def _deltas(item: Item, reply: Reply) -> Iterator[tuple[str, Item]]:
    if "content" in item:
        part = item["content"][0]
        yield "response.content_part.added", {"content_index": 0, "part": part | {"text": ""}}
        for piece in reply.pieces:
            yield "response.output_text.delta", {"content_index": 0, "delta": piece}
        yield "response.output_text.done", {"content_index": 0, "text": reply.text}
        yield "response.content_part.done", {"content_index": 0, "part": part}
    elif "arguments" in item:
        yield "response.function_call_arguments.delta", {"delta": item["arguments"]}
        yield "response.function_call_arguments.done", {"arguments": item["arguments"]}


def _response(model: str) -> Item:
    return {
        "id": new_id("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "model": model,
        "output": [],
        "usage": None,
    }


def _finished(response: Item, items: list[Item]) -> Item:
    return response | {"status": "completed", "output": items, "usage": USAGE}


def _items(reply: Reply) -> list[Item]:
    content = [{"type": "output_text", "text": reply.text, "annotations": []}]
    message = {
        "type": "message",
        "id": new_id("msg_"),
        "role": "assistant",
        "status": "completed",
        "content": content,
    }
    return ([message] if reply.text else []) + [_call(call) for call in reply.calls]


def _call(call: Call) -> Item:
    common = {"call_id": new_id("call_"), "name": call.name, "status": "completed"}
    if call.free:
        return {"type": "custom_tool_call", "id": new_id("ctc_"), "input": as_json(call.arguments)} | common
    return {"type": "function_call", "id": new_id("fc_"), "arguments": as_json(call.arguments)} | common
