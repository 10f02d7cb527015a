"""The `claude` agent: Claude Code over its streams of JSON, in both lanes.

Measured with 2.1.197 to 2.1.330. The prompt and all that follows go over standard input, so that a run can be
interrupted in order, and then still tells what it used.
"""

import json
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

from runner.agents.base import (
    AgentCommand,
    AgentEvent,
    Asked,
    Assignment,
    Ended,
    EndStatus,
    Hangup,
    Heard,
    Lane,
    OwnLimit,
    Refused,
    Retry,
    Send,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Traits,
    Unknown,
    Wire,
    base_environment,
)
from runner.agents.claude_result import ending, limits, used
from runner.agents.reading import amount, count, mapping, mappings, number, read_object, text, write_object
from runner.agents.telling import plain_line
from runner.supervision import Stream

_QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",  # work that goes on after the last word would be lost, or ask nobody
    "CLAUDE_CODE_MAX_RETRIES": "3",  # the ten of the default are minutes of silence; Orch tries again by itself
}
_STREAMS = ("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose")
# Hooks and MCP servers of the repository would run without a question otherwise.
_OWN_SETTINGS = ("--setting-sources", "user", "--strict-mcp-config")
# They wait for a person or a later hour, go on after the last word, or take the work out of the workspace.
_NOT_HERE = (
    "--disallowedTools",
    "AskUserQuestion,CronCreate,EnterPlanMode,EnterWorktree,Monitor,ScheduleWakeup,Workflow",
)
# Read-only calls are not asked for unless a rule says so.
_ASK_ALL = ("Bash", "Edit", "Glob", "Grep", "NotebookEdit", "Read", "WebFetch", "WebSearch", "Write")
_INTERRUPT = {"type": "control_request", "request_id": "interrupt", "request": {"subtype": "interrupt"}}
_CUT_REQUEST = re.compile(rb'^\{"type":"control_request","request_id":"([\w-]{1,100})"')
_CUT_TOOL = re.compile(rb'"tool_name":"([\w-]{1,100})"')
_TOO_LONG = "the request was too long to be read"
_SILENT = {"control_response", "control_cancel_request", "keep_alive"}


class ClaudeAgent:
    """Run Claude Code; `program` is its name on PATH or its path."""

    traits = Traits(
        name="claude",
        program="claude",
        wire=Wire.ANTHROPIC,
        key="ANTHROPIC_API_KEY",
        url="https://api.anthropic.com",
        lanes=frozenset({Lane.EXEC, Lane.GATED}),
        limits=frozenset({OwnLimit.TURNS, OwnLimit.COST}),
        resumes=True,
        steers=True,
        writes=(".claude", ".claude.json"),
        lacks=("It does not read the repository's own .claude settings, hooks, MCP servers and CLAUDE.md.",),
    )

    def __init__(self, program: str = "claude") -> None:
        self._program = program
        self._spent: Decimal | None = Decimal(0)
        self._error = ""
        self._stderr = ""
        self._ended = self._over = False
        self._told: dict[str, str] = {}
        self._denied: set[str] = set()
        self._calls: dict[str, str] = {}

    def command(self, work: Assignment) -> AgentCommand:
        if work.session:
            self._spent = work.session.usage.cost
        return AgentCommand(
            argv=(self._program, *_STREAMS, *_OWN_SETTINGS, *_NOT_HERE, *_leave(work.lane), *_wishes(work)),
            env=_environment(work),
            stdin=_say(work.prompt.text),
            talks=True,
        )

    def parse(self, line: bytes, stream: Stream) -> Iterable[AgentEvent]:
        if stream is Stream.STDERR:
            self._stderr = plain_line(line) or self._stderr
            return (Unknown("stderr"),)
        said = read_object(line)
        return tuple(self._events(said)) if said is not None else tuple(self._cut_off(line))

    def close(self, code: int | None) -> Iterable[AgentEvent]:
        if code and not self._ended:
            return (Ended(EndStatus.FAILED, self._stderr or f"it ended with exit code {code} and no result"),)
        return ()

    def answer(self, asked: Asked, allowed: bool, reason: str) -> bytes:
        if allowed:
            return _reply(asked.id, {"behavior": "allow", "updatedInput": dict(asked.input)})
        self._denied.add(self._calls.get(asked.id, ""))
        return _reply(asked.id, {"behavior": "deny", "message": reason or "This is not allowed here."})

    def steer(self, key: str, said: str) -> bytes:
        """Say more: it is read after the next tool call, or in a turn of its own after the result."""
        if self._over:
            return b""
        name = str(uuid4())
        self._told[name] = key
        return _say(said, uuid=name)

    def cancel(self) -> bytes:
        return write_object(_INTERRUPT)

    def _events(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        match said.get("type"):
            case "assistant":
                yield from self._assistant(said)
            case "user":
                yield from _tool_results(said)
            case "system":
                yield from self._system(said)
            case "control_request":
                yield from self._requested(said)
            case "rate_limit_event":
                yield from limits(said)
            case "command_lifecycle":
                yield from self._progressed(said)
            case "result":
                yield from self._result(said)
            case kind if text(kind) not in _SILENT:
                yield Unknown(text(kind) or "unreadable")

    def _system(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        match said.get("subtype"):
            case "init":
                self._ended = False
                yield Started(text(said.get("session_id")) or None, text(said.get("model")) or None)
            case "api_retry":
                delay = number(said.get("retry_delay_ms"))
                yield Retry(count(said.get("error_status")), None if delay is None else delay / 1000)
            case "permission_denied":
                self._denied.add(text(said.get("tool_use_id")))
                yield Refused(text(said.get("tool_name")), text(said.get("message")))
            case kind:
                yield Unknown(f"system/{text(kind)}")

    def _assistant(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        if said.get("is_api_error_message"):  # not the model's words; the result holds them once more
            self._error = text(said.get("error"))
            return
        self._error = ""
        for block in mappings(mapping(said.get("message")).get("content")):
            match block.get("type"):
                case "text" if not said.get("parent_tool_use_id"):  # else it speaks to the agent that started it
                    yield Text(text(block.get("text")))
                case "tool_use":
                    yield ToolCall(text(block.get("name")), mapping(block.get("input")), text(block.get("id")))

    def _requested(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        """Pass on a question for leave; refuse anything else at once, or the agent would wait for ever."""
        name, request = text(said.get("request_id")), mapping(said.get("request"))
        if request.get("subtype") == "can_use_tool":
            self._calls[name] = text(request.get("tool_use_id"))
            yield Asked(name, text(request.get("tool_name")), mapping(request.get("input")))
        else:
            error = {"subtype": "error", "request_id": name, "error": "not supported"}
            yield Send(write_object({"type": "control_response", "response": error}))
            yield Unknown(f"control_request/{text(request.get('subtype'))}")

    def _cut_off(self, line: bytes) -> Iterator[AgentEvent]:
        """Refuse a question that was too long to come whole: nobody could judge it."""
        if found := _CUT_REQUEST.match(line):
            yield Send(_reply(found[1].decode(), {"behavior": "deny", "message": _TOO_LONG}))
            tool = _CUT_TOOL.search(line)
            yield Refused(tool[1].decode() if tool else "", _TOO_LONG)
        else:
            yield Unknown("unreadable")

    def _progressed(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        """Take note of what becomes of something said: it is queued, started and completed."""
        if said.get("state") == "started" and (key := self._told.pop(text(said.get("command_uuid")), None)):
            yield Heard(key)

    def _result(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        self._ended = True
        for denial in mappings(said.get("permission_denials")):
            if text(denial.get("tool_use_id")) not in self._denied:
                yield Refused(text(denial.get("tool_name")))
        yield used(said, self._spent)
        self._spent = amount(said.get("total_cost_usd"))
        last = ending(said, self._error)
        yield last
        if last.status is not EndStatus.COMPLETED or not self._told:  # else what it was told has a turn of its own
            self._over = True
            yield Hangup()


def _environment(work: Assignment) -> dict[str, str]:
    env = base_environment(work.home, work.tmp) | _QUIET
    if work.endpoint:
        env |= {"ANTHROPIC_BASE_URL": work.endpoint.url, "ANTHROPIC_API_KEY": work.endpoint.key}
    if work.lane is Lane.EXEC:
        env["IS_SANDBOX"] = "1"  # as root it lets itself go only where it is told that it is confined
    return env


def _leave(lane: Lane) -> tuple[str, ...]:
    if lane is Lane.GATED:
        return ("--permission-prompt-tool", "stdio", "--settings", json.dumps({"permissions": {"ask": _ASK_ALL}}))
    # Nobody is there to be asked, and the wall is the sandbox of the operating system: any other mode only refuses.
    return ("--permission-mode", "bypassPermissions")


def _wishes(work: Assignment) -> Iterator[str]:
    wishes = {
        "--model": work.model,
        "--resume": work.session and work.session.id,
        "--max-turns": work.max_turns,
        "--max-budget-usd": work.max_cost,
    }
    for flag, value in wishes.items():
        if value is not None:
            yield from (flag, str(value))


def _say(said: str, **more: str) -> bytes:
    content = f"\n{said}" if said.startswith("/") else said  # else its first word is a command of the CLI
    return write_object({"type": "user", "message": {"role": "user", "content": content}, **more})


def _reply(request: str, response: dict[str, Any]) -> bytes:
    said = {"subtype": "success", "request_id": request, "response": response}
    return write_object({"type": "control_response", "response": said})


def _tool_results(said: dict[str, Any]) -> Iterator[AgentEvent]:
    for block in mappings(mapping(said.get("message")).get("content")):
        if block.get("type") == "tool_result":
            output = block.get("content")
            spoken = "\n".join(text(part.get("text")) for part in mappings(output)) or text(output)
            yield ToolResult(block.get("is_error") is not True, spoken, text(block.get("tool_use_id")))
