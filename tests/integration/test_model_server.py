"""The scripted model server, as an agent meets it."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from runner.agents.base import Wire
from tests.model.script import DONE, Call, Scenario, Turn
from tests.model.server import ModelServer, model_server

Body = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
HELLO = {"command": "echo hello > hello.txt"}
PATHS = {
    Wire.ANTHROPIC: "/v1/messages",
    Wire.OPENAI_CHAT: "/chat/completions",
    Wire.OPENAI_RESPONSES: "/responses",
    Wire.GEMINI: "/v1beta/models/mock:generateContent",
}
ASKS: dict[Wire, Body] = {
    Wire.ANTHROPIC: {
        "messages": [{"role": "user", "content": "Do it."}],
        "tools": [{"name": "bash", "input_schema": SCHEMA}],
    },
    Wire.OPENAI_CHAT: {
        "messages": [{"role": "user", "content": "Do it."}],
        "tools": [{"type": "function", "function": {"name": "bash", "parameters": SCHEMA}}],
    },
    Wire.OPENAI_RESPONSES: {
        "input": [{"role": "user", "content": "Do it."}],
        "tools": [{"type": "function", "name": "bash", "parameters": SCHEMA}],
    },
    Wire.GEMINI: {
        "contents": [{"role": "user", "parts": [{"text": "Do it."}]}],
        "tools": [{"functionDeclarations": [{"name": "bash", "parameters": SCHEMA}]}],
    },
}
RESULTS: dict[Wire, tuple[str, Body]] = {
    Wire.ANTHROPIC: ("messages", {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1"}]}),
    Wire.OPENAI_CHAT: ("messages", {"role": "tool", "tool_call_id": "1", "content": ""}),
    Wire.OPENAI_RESPONSES: ("input", {"type": "function_call_output", "call_id": "1", "output": ""}),
    Wire.GEMINI: ("contents", {"role": "user", "parts": [{"functionResponse": {"name": "bash"}}]}),
}
every_wire = pytest.mark.parametrize("wire", Wire)


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as made:
        yield made


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as made:
        yield made


def first(wire: Wire) -> Body:
    return ASKS[wire]


def second(wire: Wire) -> Body:
    """The request after the first tool result."""
    name, result = RESULTS[wire]
    return ASKS[wire] | {name: [*ASKS[wire][name], result]}


def call_in(wire: Wire, answer: Body) -> Any:
    """The arguments of the one tool call in an answer."""
    match wire:
        case Wire.ANTHROPIC:
            return answer["content"][0]["input"]
        case Wire.OPENAI_CHAT:
            return json.loads(answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
        case Wire.OPENAI_RESPONSES:
            return json.loads(answer["output"][0]["arguments"])
        case Wire.GEMINI:
            return answer["candidates"][0]["content"]["parts"][0]["functionCall"]["args"]


def text_in(wire: Wire, answer: Body) -> Any:
    match wire:
        case Wire.ANTHROPIC:
            return answer["content"][0]["text"]
        case Wire.OPENAI_CHAT:
            return answer["choices"][0]["message"]["content"]
        case Wire.OPENAI_RESPONSES:
            return answer["output"][0]["content"][0]["text"]
        case Wire.GEMINI:
            return answer["candidates"][0]["content"]["parts"][0]["text"]


def deltas_in(wire: Wire, events: list[Body]) -> list[str]:
    """The pieces of streamed text."""
    match wire:
        case Wire.ANTHROPIC:
            return [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
        case Wire.OPENAI_CHAT:
            found = [event["choices"][0]["delta"].get("content") for event in events if event["choices"]]
            return [piece for piece in found if piece]
        case Wire.OPENAI_RESPONSES:
            return [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
        case Wire.GEMINI:
            return [text_in(wire, event) for event in events]


async def post(client: aiohttp.ClientSession, server: ModelServer, scenario: str, wire: Wire, body: Body) -> Body:
    async with client.post(server.url(scenario, wire) + PATHS[wire], json=body) as response:
        assert response.status == 200
        answer: Body = await response.json()
        return answer


async def stream(
    client: aiohttp.ClientSession, server: ModelServer, scenario: str, wire: Wire, body: Body
) -> AsyncIterator[Body]:
    path = PATHS[wire].replace(":generate", ":streamGenerate")
    async with client.post(server.url(scenario, wire) + path, json=body | {"stream": True}) as response:
        assert response.content_type == "text/event-stream"
        async for line in response.content:
            if line.startswith(b"data: {"):
                yield json.loads(line[6:])


@every_wire
async def test_it_calls_the_shell_and_then_says_that_it_is_done(
    server: ModelServer, client: aiohttp.ClientSession, wire: Wire
) -> None:
    assert call_in(wire, await post(client, server, "ok", wire, first(wire))) == HELLO
    assert text_in(wire, await post(client, server, "ok", wire, second(wire))) == DONE


@every_wire
async def test_a_new_message_of_the_user_begins_anew(
    server: ModelServer, client: aiohttp.ClientSession, wire: Wire
) -> None:
    name = RESULTS[wire][0]
    again = second(wire) | {name: [*second(wire)[name], *first(wire)[name]]}
    assert call_in(wire, await post(client, server, "ok", wire, again)) == HELLO


@every_wire
async def test_text_is_streamed_word_by_word(server: ModelServer, client: aiohttp.ClientSession, wire: Wire) -> None:
    server.scenarios["words"] = Scenario(last="one two three", pause=0.001)
    events = [event async for event in stream(client, server, "words", wire, first(wire))]
    assert deltas_in(wire, events) == ["one ", "two ", "three"]


@every_wire
async def test_a_stream_stalls_in_the_middle(server: ModelServer, client: aiohttp.ClientSession, wire: Wire) -> None:
    events, begun = [], asyncio.Event()

    async def read() -> None:
        async for event in stream(client, server, "hangmid", wire, first(wire)):
            events.append(event)
            if deltas_in(wire, events):
                begun.set()

    reading = asyncio.create_task(read())
    await begun.wait()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reading, 0.5)
    assert "".join(deltas_in(wire, events)) in {"I ", "I am ", "I am about "}


async def test_what_a_chat_stream_consists_of(server: ModelServer, client: aiohttp.ClientSession) -> None:
    events = [event async for event in stream(client, server, "ok", Wire.OPENAI_CHAT, first(Wire.OPENAI_CHAT))]
    begun, called, ended, used = events
    assert begun["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert called["choices"][0]["delta"]["tool_calls"][0]["function"]["name"] == "bash"
    assert ended["choices"][0]["finish_reason"] == "tool_calls"
    assert (used["choices"], used["usage"]["prompt_tokens_details"]) == ([], {"cached_tokens": 200})


async def test_what_a_stream_of_messages_consists_of(server: ModelServer, client: aiohttp.ClientSession) -> None:
    events = [event async for event in stream(client, server, "ok", Wire.ANTHROPIC, first(Wire.ANTHROPIC))]
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[1]["content_block"]["input"] == {}
    assert json.loads(events[2]["delta"]["partial_json"]) == HELLO
    assert events[4]["delta"]["stop_reason"] == "tool_use"


async def test_what_a_stream_of_responses_consists_of(server: ModelServer, client: aiohttp.ClientSession) -> None:
    wire = Wire.OPENAI_RESPONSES
    events = [event async for event in stream(client, server, "ok", wire, first(wire))]
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in events] == [0, 1, 2, 3, 4, 5]
    assert events[1]["item"]["arguments"] == ""
    assert events[5]["response"]["output"] == [events[4]["item"]]


@pytest.mark.parametrize(("scenario", "status"), [("e401", 401), ("e500", 500), ("e529", 529)])
async def test_it_refuses(server: ModelServer, client: aiohttp.ClientSession, scenario: str, status: int) -> None:
    async with client.post(server.url(scenario, Wire.OPENAI_CHAT) + "/chat/completions", json={}) as response:
        assert (response.status, (await response.json())["error"]["message"]) == (status, f"scripted {status}")


async def test_two_refusals_and_then_an_answer(server: ModelServer, client: aiohttp.ClientSession) -> None:
    seen = []
    for _ in range(3):
        async with client.post(
            server.url("flaky", Wire.OPENAI_CHAT) + "/chat/completions", json=first(Wire.OPENAI_CHAT)
        ) as response:
            seen.append((response.status, response.headers.get("Retry-After")))
    assert seen == [(429, "1"), (429, "1"), (200, None)]


async def test_calls_of_one_answer_are_counted_together(server: ModelServer, client: aiohttp.ClientSession) -> None:
    twice = (Call("bash", {"command": "1"}), Call("bash", {"command": "2"}))
    server.scenarios["two"] = Scenario((Turn(twice, "Both."),))
    wire = Wire.OPENAI_CHAT
    answer = await post(client, server, "two", wire, first(wire))
    assert len(answer["choices"][0]["message"]["tool_calls"]) == 2
    done = second(wire) | {"messages": [*second(wire)["messages"], RESULTS[wire][1]]}
    assert text_in(wire, await post(client, server, "two", wire, done)) == DONE


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ({"name": "Write", "input_schema": {"properties": {"file_path": {}, "content": {}}}}, None),
        ({"name": "Bash", "input_schema": SCHEMA}, {"command": "printf '%s' 'hello' > hello.txt"}),
    ],
    ids=["a tool for it", "the shell"],
)
async def test_a_file_is_written_with_what_is_offered(
    server: ModelServer, client: aiohttp.ClientSession, tool: Body, arguments: Body | None
) -> None:
    body = first(Wire.ANTHROPIC) | {"tools": [tool], "system": "Primary working directory: /tmp/x\n"}
    found = call_in(Wire.ANTHROPIC, await post(client, server, "write", Wire.ANTHROPIC, body))
    assert found == (arguments or {"file_path": "/tmp/x/hello.txt", "content": "hello\n"})


async def test_an_unknown_scenario_is_not_found(server: ModelServer, client: aiohttp.ClientSession) -> None:
    async with client.post(server.url("okay", Wire.ANTHROPIC) + "/v1/messages", json={}) as response:
        assert response.status == 404
    assert list(server.others) == ["POST /okay/v1/messages"]


async def test_it_knows_what_it_was_asked(server: ModelServer, client: aiohttp.ClientSession) -> None:
    client.headers["Authorization"] = "Bearer key"
    await post(client, server, "ok", Wire.OPENAI_CHAT, first(Wire.OPENAI_CHAT))
    async with client.get(f"{server.base}/_log") as response:
        log = await response.json()
    assert (log["calls"], log["last"]["headers"]["Authorization"]) == ({"ok": 1}, "Bearer key")
    assert server.last is not None
    assert server.last.body == first(Wire.OPENAI_CHAT)


async def test_it_runs_as_a_process_until_it_is_told_to_end(client: aiohttp.ClientSession) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.model.server", "0", stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout
    try:
        base = (await process.stdout.readline()).decode().strip()
        async with client.get(f"{base}/ok/v1/models") as response:
            assert response.status == 200
    finally:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
