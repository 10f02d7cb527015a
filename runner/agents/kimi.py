"""The `kimi` agent: Kimi Code over its stream of JSON.

Measured with 2.1.0 of the npm package; the `kimi-cli` of PyPI only says that it is no longer kept, with exit code 0. It
trusts no folder by itself, and so leaves hooks and MCP servers of the repository alone.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from runner.agents.base import (
    AgentCommand,
    AgentEvent,
    AsksNobody,
    Assignment,
    Ended,
    EndStatus,
    OwnLimit,
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
from runner.agents.reading import count, mapping, mappings, number, read_object, text
from runner.agents.telling import environment_beside, failure, plain_line, plain_prompt
from runner.supervision import Stream

FOLDER = ".kimi-code"
CONFIG = f"{FOLDER}/config.toml"
PROMPT = f"{FOLDER}/prompt.md"
_ARGUMENT_BYTES = 100_000  # Linux takes 128 KiB
_CONTEXT_TOKENS = 131_072  # must be told, and is not known; every model of today takes that many
_ERROR = re.compile(r"^error: failed to run prompt: (?P<code>[\w.]+): (?P<words>.*)")
_TOO_MANY_STEPS = "loop.max_steps_exceeded"
_FAILED_COMMAND = re.compile(r"(^|\n)Command failed\b[^\n]*\s*$")


class KimiAgent(AsksNobody):
    """Run Kimi Code; `program` is its name on PATH or its path."""

    traits = Traits(
        name="kimi",
        program="kimi",
        wire=Wire.OPENAI_CHAT,
        key="KIMI_API_KEY",
        url="https://api.moonshot.ai/v1",
        limits=frozenset({OwnLimit.TURNS}),
        resumes=True,
        writes=(FOLDER,),
        lacks=("It has no default model: name one.", "It tells neither tokens nor cost."),
    )

    def __init__(self, program: str = "kimi") -> None:
        self._program = program
        self._model: str | None = None
        self._session: str | None = None
        self._finished = False
        self._error: tuple[str, str] | None = None
        self._stderr = ""

    def command(self, work: Assignment) -> AgentCommand:
        self._model, self._session = work.model, work.session.id if work.session else None
        prompt, files = _prompt(work)
        return AgentCommand(
            argv=(
                *(self._program, f"--prompt={prompt}", "--output-format", "stream-json"),
                *(("--session", work.session.id) if work.session else ()),
            ),
            env=environment(self._program, work),
            files={CONFIG: configuration(work).encode(), **files},
        )

    def parse(self, line: bytes, stream: Stream) -> Iterable[AgentEvent]:
        if stream is Stream.STDERR:
            return (self._stderr_line(plain_line(line)),)
        said = read_object(line)
        return (Unknown("unreadable"),) if said is None else tuple(self._events(said))

    def close(self, code: int | None) -> Iterable[AgentEvent]:
        yield UsageReport(None, None)
        if code is not None:
            yield self._ending(code)

    def _stderr_line(self, line: str) -> AgentEvent:
        if found := _ERROR.match(line):
            self._error = (found["code"], found["words"])
        self._stderr = line or self._stderr
        return Unknown("stderr")

    def _events(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        match said.get("role"):
            case "assistant":
                if words := _words(said.get("content")):
                    yield Text(words)
                yield from (_tool_call(each) for each in mappings(said.get("tool_calls")))
            case "tool":
                output = _words(said.get("content"))
                yield ToolResult(not _FAILED_COMMAND.search(output), output, text(said.get("tool_call_id")))
            case "meta":
                yield from self._meta(said)
            case role:
                yield Unknown(text(role) or "unreadable")

    def _meta(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        match said.get("type"):
            case "system.version":
                yield Started(self._session, self._model)
            case "session.resume_hint":
                self._finished = True
                yield Started(text(said.get("session_id")) or self._session, self._model)
            case "turn.step.retrying":
                delay = number(said.get("delay_ms"))
                yield Retry(count(said.get("status_code")), None if delay is None else delay / 1000)
            case kind:
                yield Unknown(f"meta/{text(kind)}")

    def _ending(self, code: int) -> Ended:
        """Judge by the hint that follows a prompt that was answered; only standard error tells why there is none."""
        if self._error:
            kind, words = self._error
            limited = kind == _TOO_MANY_STEPS
            return Ended(EndStatus.LIMIT_REACHED if limited else failure(f"{kind}: {words}"), words or kind)
        if code or not self._finished:
            return Ended(EndStatus.FAILED, self._stderr or f"it ended with exit code {code} before it was done")
        return Ended(EndStatus.COMPLETED, "completed")


def environment(program: str, work: Assignment) -> dict[str, str]:
    """Build the environment of Kimi Code, which takes no key from there."""
    return environment_beside(program, work) | {"KIMI_CODE_HOME": str(work.home / FOLDER)}


def configuration(work: Assignment) -> str:
    """Build the configuration of Kimi Code, in TOML."""
    lines = ["telemetry = false"]
    if work.endpoint:
        lines += [
            'default_model = "orch"',
            *("[providers.orch]", 'type = "openai"'),
            *(f"base_url = {_string(work.endpoint.url)}", f"api_key = {_string(work.endpoint.key)}"),
            *("[models.orch]", 'provider = "orch"'),
            *(f"model = {_string(work.model or 'default')}", f"max_context_size = {_CONTEXT_TOKENS}"),
        ]
    if work.max_turns:
        lines += ["[loop_control]", f"max_steps_per_turn = {work.max_turns}"]
    return "\n".join(lines) + "\n"


def _string(value: str) -> str:
    """Write a string in TOML: what JSON escapes, TOML escapes alike, and the one thing it does not is done by hand."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _prompt(work: Assignment) -> tuple[str, dict[str, bytes]]:
    """Return the prompt for the command line, and the file that it leads to if it is too long for that."""
    said = plain_prompt(work.prompt.text).replace("\0", "")
    whole = said.encode("utf-8", "replace")
    if len(whole) <= _ARGUMENT_BYTES:
        return whole.decode(), {}
    return f"Read all of the file {work.home / PROMPT} and do the task in it.", {PROMPT: whole}


def _words(content: object) -> str:
    return text(content) or "\n".join(text(each.get("text")) for each in mappings(content))


def _tool_call(said: dict[str, Any]) -> ToolCall:
    function = mapping(said.get("function"))
    arguments = read_object(text(function.get("arguments")).encode("utf-8", "replace"))
    return ToolCall(text(function.get("name")), arguments or {}, text(said.get("id")))
