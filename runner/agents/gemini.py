"""The `gemini` agent: Gemini CLI over its stream of JSON.

Measured with 0.61.0. Hooks, settings and `.env` of the repository are obeyed in a folder that is trusted, so the folder
is not; and as no tool is allowed there by itself, a policy of ours allows them.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from runner.agents.acp import AcpDialogue, AcpLane
from runner.agents.acp_calls import InputFrom
from runner.agents.base import (
    AgentCommand,
    AgentEvent,
    Assignment,
    Ended,
    EndStatus,
    Lane,
    OwnLimit,
    Refused,
    Retry,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Traits,
    Unknown,
    UsageReport,
    Wire,
)
from runner.agents.reading import count, mapping, read_object, text
from runner.agents.telling import environment_beside, failure, plain_line, plain_prompt, total_of
from runner.supervision import Stream

SETTINGS = ".gemini/settings.json"
POLICY = ".gemini/orch.toml"
_ALLOW_ALL = b'[[rule]]\ntoolName = "*"\ndecision = "allow"\npriority = 999\nallowRedirection = true\n'
_TURN_LIMIT = 53
_EXIT_CODES = {
    41: "it could not authenticate",
    42: "it could not use what it was given as input",
    55: "it does not work in a folder that is not trusted",
    145: "the provider answered 401: its key is wrong",  # 401 cut down to eight bits
}
_RETRY = re.compile(r"Attempt \d+ failed(?: with status (\d{3}))?\b.*Retrying")
_REFUSED = ("policy_violation", "execution_denied")
_UNASKED = "requires user confirmation"


class GeminiAgent(AcpLane):
    """Run Gemini CLI; `program` is its name on PATH or its path."""

    traits = Traits(
        name="gemini",
        program="gemini",
        wire=Wire.GEMINI,
        key="GEMINI_API_KEY",
        url="https://generativelanguage.googleapis.com",
        lanes=frozenset({Lane.EXEC, Lane.GATED}),
        limits=frozenset({OwnLimit.TURNS}),
        resumes=True,
        writes=(".gemini",),
        lacks=(
            "It tells no cost, and its tokens only at the end.",
            "Where it asks before tool calls, it does not for what only reads, and takes up no session.",
            "It does not read the repository's own .gemini settings, hooks, MCP servers and GEMINI.md.",
        ),
    )

    def __init__(self, program: str = "gemini") -> None:
        self._program = program
        self._words = ""
        self._tools: dict[str, str] = {}
        self._counted = False
        self._ended: Ended | None = None
        self._stderr = ""

    def command(self, work: Assignment) -> AgentCommand:
        if work.lane is Lane.GATED:
            return self._asking(work)
        return AgentCommand(
            argv=(
                *(self._program, "-o", "stream-json", "--policy", str(work.home / POLICY)),
                *(("-m", work.model) if work.model else ()),
                *(("--resume", work.session.id) if work.session else ()),
            ),
            env=environment(self._program, work),
            stdin=plain_prompt(work.prompt.text).encode("utf-8", "replace"),
            files={SETTINGS: json.dumps(settings(work)).encode(), POLICY: _ALLOW_ALL},
        )

    def _asking(self, work: Assignment) -> AgentCommand:
        """Return the command without the policy that allows all."""
        self._dialogue = AcpDialogue(mode="default", inputs=InputFrom.TITLE)
        return AgentCommand(
            argv=(self._program, "--acp", *(("-m", work.model) if work.model else ())),
            env=environment(self._program, work),
            stdin=self._dialogue.start(work),
            talks=True,
            files={SETTINGS: json.dumps(settings(work)).encode()},
        )

    def parse(self, line: bytes, stream: Stream) -> Iterable[AgentEvent]:
        if stream is Stream.STDERR:
            return tuple(self._stderr_line(plain_line(line)))
        if self._dialogue:
            return self._dialogue.receive(line)
        said = read_object(line)
        return (Unknown("unreadable"),) if said is None else tuple(self._events(said))

    def close(self, code: int | None) -> Iterable[AgentEvent]:
        if self._dialogue:
            yield from self._dialogue.close(code)
            return
        yield from self._flush()
        if not self._counted:
            yield UsageReport(None, None)
        if code is not None and (ending := self._ending(code)) != self._ended:
            yield ending

    def _stderr_line(self, line: str) -> Iterator[AgentEvent]:
        if found := _RETRY.search(line):
            yield Retry(int(found[1]) if found[1] else None)
        elif line:
            self._stderr = line
            yield Unknown("stderr")

    def _events(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        kind = said.get("type")
        if kind == "message" and said.get("role") == "assistant" and said.get("delta") is True:
            self._words += text(said.get("content"))  # a piece of a sentence
            return
        yield from self._flush()
        match kind:
            case "init":
                yield Started(text(said.get("session_id")) or None, text(said.get("model")) or None)
            case "message":
                if said.get("role") == "assistant":
                    yield Text(text(said.get("content")))
            case "tool_use":
                yield self._tool_use(said)
            case "tool_result":
                yield from self._tool_result(said)
            case "result":
                yield from self._result(said)
            case "error":
                self._stderr = text(said.get("message")) or self._stderr
                yield Unknown("error")
            case _:
                yield Unknown(text(kind) or "unreadable")

    def _flush(self) -> Iterator[AgentEvent]:
        words, self._words = self._words, ""
        if words:
            yield Text(words)

    def _tool_use(self, said: dict[str, Any]) -> ToolCall:
        name, call = text(said.get("tool_name")), text(said.get("tool_id"))
        self._tools[call] = name
        return ToolCall(name, mapping(said.get("parameters")), call)

    def _tool_result(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        call, output = text(said.get("tool_id")), text(said.get("output"))
        error = mapping(said.get("error"))
        if error.get("type") in _REFUSED or (said.get("status") == "error" and _UNASKED in output):
            yield Refused(self._tools.get(call, ""), output or text(error.get("message")))
        yield ToolResult(said.get("status") == "success", output or text(error.get("message")), call)

    def _result(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        self._counted = True
        yield used(mapping(said.get("stats")))
        if said.get("status") == "success":
            self._ended = Ended(EndStatus.COMPLETED, "completed")
        else:
            reason = text(mapping(said.get("error")).get("message")) or "it ended with an error"
            self._ended = Ended(failure(reason), reason)
        yield self._ended

    def _ending(self, code: int) -> Ended:
        """Judge by the result, which an exit code may contradict; SIGTERM leads to exit code 0 without one."""
        if code == _TURN_LIMIT:
            return Ended(EndStatus.LIMIT_REACHED, "it reached its limit of turns")
        if self._ended and (not code or self._ended.status is not EndStatus.COMPLETED):
            return self._ended
        if not code:
            return Ended(EndStatus.FAILED, "it ended without a result")
        reason = _EXIT_CODES.get(code) or self._stderr or "it ended with an error"
        return Ended(EndStatus.FAILED, f"{reason} (exit code {code})")


def environment(program: str, work: Assignment) -> dict[str, str]:
    """Build the environment of Gemini CLI."""
    env = environment_beside(program, work) | {"GEMINI_CLI_TRUST_WORKSPACE": "false"}
    if work.endpoint:
        env |= {"GEMINI_API_KEY": work.endpoint.key, "GOOGLE_GEMINI_BASE_URL": work.endpoint.url}
    return env


def settings(work: Assignment) -> dict[str, Any]:
    """Build the settings of Gemini CLI.

    With its question for trust switched off it works in a folder that is not trusted; with an address of its own for
    the API it looks for another way to authenticate unless one is set.
    """
    made: dict[str, Any] = {
        "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
        "general": {"enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
    }
    return made | ({"model": {"maxSessionTurns": work.max_turns}} if work.max_turns else {})


def used(stats: dict[str, Any]) -> UsageReport:
    """Report the sums over all models; thoughts are in the total alone."""
    models = [mapping(each) for each in mapping(stats.get("models")).values()] or [stats]
    tokens_in = total_of(count(each.get("input_tokens")) for each in models)
    total = total_of(count(each.get("total_tokens")) for each in models)
    out = total_of(count(each.get("output_tokens")) for each in models)
    if tokens_in is not None and total is not None and out is not None:
        out = max(out, total - tokens_in)
    return UsageReport(tokens_in, out, total_of(count(each.get("cached")) for each in models))
