"""Dialogues with ACP agents: made up message by message, or played from what CLIs said."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runner.agents.acp import AcpDialogue
from runner.agents.acp_calls import InputFrom
from runner.agents.base import AgentEvent, Asked, Assignment, Prompt, Send, ToolCall, UsageReport

GOLDEN = Path(__file__).parents[1] / "golden" / "agents"
ALL = sorted(path.name.removesuffix(".acp.jsonl") for path in GOLDEN.glob("*acp-*.acp.jsonl"))
PROMPT = "create hello.txt saying hello"
SHELL = {"command": "echo hello > hello.txt"}
UNKNOWN = UsageReport(None, None)


def work(**more: Any) -> Assignment:
    return Assignment(Prompt(PROMPT, ""), Path("/workspace"), Path("/home"), Path("/tmp"), **more)


def dialogue(name: str) -> AcpDialogue:
    """Set up for the CLI of a golden file, as its adapter does."""
    match name.partition("acp-")[0]:
        case "opencode":
            return AcpDialogue(counts_tokens=False)
        case "qwen":
            return AcpDialogue(mode="default")
        case "gemini":
            return AcpDialogue(mode="default", inputs=InputFrom.TITLE)
        case "kimi":
            return AcpDialogue(mode="default", inputs=InputFrom.CONTENT)
        case _:
            return AcpDialogue()


def recorded(name: str, direction: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (GOLDEN / f"{name}.acp.jsonl").read_text().splitlines()]
    return [line["msg"] for line in lines if line["dir"].endswith(direction)]


def line(message: object) -> bytes:
    return json.dumps(message).encode()


def play(name: str, made: AcpDialogue | None = None) -> tuple[list[AgentEvent], list[dict[str, Any]]]:
    """Play what an agent said; return the events and what was written to it."""
    talk = made or dialogue(name)
    events, written = [], [talk.start(work())]
    for message in recorded(name, "INCOMING"):
        for event in talk.receive(line(message)):
            events.append(event)
            if isinstance(event, Send):
                written.append(event.data)
            elif isinstance(event, Asked):
                written.append(talk.answer(event, not name.endswith("deny"), ""))
        if name.endswith("cancel") and ToolCall in map(type, events) and len(written) == 4:
            written.append(talk.cancel())
    return events, [json.loads(each) for each in written]


def told(events: Iterable[AgentEvent]) -> list[AgentEvent]:
    return [event for event in events if not isinstance(event, Send)]


def receive(talk: AcpDialogue, *messages: dict[str, Any]) -> list[AgentEvent]:
    return [event for each in messages for event in talk.receive(line({"jsonrpc": "2.0", **each}))]


def sent(events: Iterable[AgentEvent]) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in events if isinstance(event, Send)]


def initialized(**capabilities: Any) -> dict[str, Any]:
    return {"id": 0, "result": {"protocolVersion": 1, "agentCapabilities": capabilities}}


def opened(given: Assignment | None = None, **options: Any) -> tuple[AcpDialogue, list[AgentEvent]]:
    """A dialogue whose prompt has been sent."""
    talk = AcpDialogue(**options)
    talk.start(given or work())
    return talk, receive(talk, initialized(loadSession=True), {"id": 1, "result": {"sessionId": "s"}})


def update(sort: str, /, **fields: Any) -> dict[str, Any]:
    return {"method": "session/update", "params": {"sessionId": "s", "update": {"sessionUpdate": sort, **fields}}}


def chunk(text: str, **fields: Any) -> dict[str, Any]:
    return update("agent_message_chunk", content={"type": "text", "text": text}, **fields)


def ask(request: object, options: list[str], **call: Any) -> dict[str, Any]:
    offered = [{"optionId": f"id of {kind}", "kind": kind} for kind in options]
    return {
        "id": request,
        "method": "session/request_permission",
        "params": {"sessionId": "s", "toolCall": {"toolCallId": "c", **call}, "options": offered},
    }


def done(stop: str = "end_turn", **fields: Any) -> dict[str, Any]:
    return {"id": 2, "result": {"stopReason": stop, **fields}}
