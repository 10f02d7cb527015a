"""The `qwen` agent: Qwen Code over its stream of JSON, with any server that speaks OpenAI's chat completions.

Measured with 0.24.4. Its events have the shape of Claude Code's; limits, retries and counts are its own.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from app.domain.outcomes import Usage
from runner.agents.acp import AcpDialogue, AcpLane
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
from runner.agents.reading import count, mapping, mappings, number, read_object, text
from runner.agents.telling import environment_beside, failure, plain_line, plain_prompt
from runner.supervision import Stream

_TURN_LIMIT, _OTHER_LIMIT = 53, 55
_FIELDS = ("input_tokens", "output_tokens", "cache_read_input_tokens")
Counts = tuple[int | None, int | None, int | None]


class QwenAgent(AcpLane):
    """Run Qwen Code; `program` is its name on PATH or its path."""

    traits = Traits(
        name="qwen",
        program="qwen",
        wire=Wire.OPENAI_CHAT,
        key="OPENAI_API_KEY",
        url="https://api.openai.com/v1",
        lanes=frozenset({Lane.EXEC, Lane.GATED}),
        limits=frozenset({OwnLimit.TURNS, OwnLimit.TOOL_CALLS, OwnLimit.WALL}),
        resumes=True,
        writes=(".qwen",),
        lacks=(
            "It has no default model: name one.",
            "It tells no cost.",
            "Where it asks before tool calls, it does not for what only reads, and obeys no limit of its own.",
            "It waits a minute in silence before each new try when its provider limits it.",
            "It does not read the repository's own .qwen settings, hooks, `.env`, MCP servers, AGENTS.md and QWEN.md.",
        ),
    )

    def __init__(self, program: str = "qwen") -> None:
        self._program = program
        self._counter = _Counter()
        self._ended: Ended | None = None
        self._stderr = ""

    def command(self, work: Assignment) -> AgentCommand:
        if work.lane is Lane.GATED:
            return self._asking(work)
        if work.session:
            self._counter = _Counter(work.session.usage)
        return AgentCommand(
            argv=(
                # --bare: else hooks, MCP servers and `.env` of the repository are obeyed, its proxies included
                *(self._program, "--auth-type", "openai", "-o", "stream-json", "--approval-mode", "yolo", "--bare"),
                *(("-m", work.model) if work.model else ()),
                *(("--max-session-turns", str(work.max_turns)) if work.max_turns else ()),
                *(("--resume", work.session.id) if work.session else ()),
            ),
            env=environment(self._program, work),
            stdin=plain_prompt(work.prompt.text).encode("utf-8", "replace"),
        )

    def _asking(self, work: Assignment) -> AgentCommand:
        self._dialogue = AcpDialogue(mode="default")
        argv = (self._program, "--acp", "--auth-type", "openai", "--bare", *(("-m", work.model) if work.model else ()))
        return AgentCommand(argv, environment(self._program, work), self._dialogue.start(work), talks=True)

    def parse(self, line: bytes, stream: Stream) -> Iterable[AgentEvent]:
        if stream is Stream.STDERR:
            self._stderr = plain_line(line) or self._stderr
            return (Unknown("stderr"),)
        if self._dialogue:
            return self._dialogue.receive(line)
        said = read_object(line)
        return (Unknown("unreadable"),) if said is None else tuple(self._events(said))

    def close(self, code: int | None) -> Iterable[AgentEvent]:
        if self._dialogue:
            yield from self._dialogue.close(code)
            return
        if not self._counter.reported:
            yield UsageReport(None, None)
        if code and (self._ended is None or self._ended.status is EndStatus.COMPLETED):
            yield self._cut_off(code)

    def _events(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        match said.get("type"):
            case "assistant":
                yield from self._assistant(said)
            case "user":
                yield from _tool_results(said)
            case "system":
                yield from _system(said)
            case "result":
                yield from self._result(said)
            case "stream_event":
                pass
            case kind:
                yield Unknown(text(kind) or "unreadable")

    def _assistant(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        message = mapping(said.get("message"))
        for block in mappings(message.get("content")):
            match block.get("type"):
                case "text" if not said.get("parent_tool_use_id"):  # else it speaks to the agent that started it
                    yield Text(text(block.get("text")))
                case "tool_use":
                    yield ToolCall(text(block.get("name")), mapping(block.get("input")), text(block.get("id")))
        yield from self._counter.message(text(message.get("id")), mapping(message.get("usage")))

    def _result(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        for denial in mappings(said.get("permission_denials")):
            yield Refused(text(denial.get("tool_name")))
        yield from self._counter.result(mapping(said.get("usage")))
        self._ended = _ending(said)
        yield self._ended

    def _cut_off(self, code: int) -> Ended:
        """Judge an end by the exit code: a limit ends the run without a result, and with a line on standard error."""
        if code in (_TURN_LIMIT, _OTHER_LIMIT):
            return Ended(EndStatus.LIMIT_REACHED, self._stderr or "it reached a limit of its own")
        return Ended(failure(self._stderr), self._stderr or f"it ended with exit code {code} and no result")


class _Counter:
    """Counts what a run used: by message as it goes on, and by the result, whose figures are those of the session."""

    def __init__(self, before: Usage | None = None) -> None:
        self.reported = False
        self._resumed = before is not None
        usage = before or Usage(tokens_in=0, tokens_out=0, tokens_cached=0)
        self._before: Counts = (usage.tokens_in, usage.tokens_out, usage.tokens_cached)
        self._so_far: Counts = (0, 0, 0)
        self._seen: set[str] = set()

    def message(self, name: str, usage: dict[str, Any]) -> Iterator[UsageReport]:
        """Report what a message used, once."""
        used = _counts(usage)
        if used[0] is None or used[1] is None or name in self._seen:
            return
        self._seen.add(name)
        yield self._report(used)

    def result(self, usage: dict[str, Any]) -> Iterator[UsageReport]:
        """Report what the messages did not tell, if there was anything."""
        session = _counts(usage)
        rest = _less(_less(session, self._before), self._so_far)
        if self._resumed and any(each is not None and each < 0 for each in rest):
            rest = _less(session, self._so_far)  # it did not count the runs before
        known = [each for each in rest if each is not None]
        if not self.reported or (any(known) and min(known) >= 0):
            yield self._report(rest)

    def _report(self, used: Counts) -> UsageReport:
        self.reported = True
        self._so_far = _more(self._so_far, used)
        return UsageReport(*used)


def environment(program: str, work: Assignment) -> dict[str, str]:
    """Build the environment of Qwen Code."""
    env = environment_beside(program, work) | {"QWEN_CODE_SUPPRESS_YOLO_WARNING": "1"}
    if work.endpoint:
        env |= {"OPENAI_API_KEY": work.endpoint.key, "OPENAI_BASE_URL": work.endpoint.url}
    return env | ({"OPENAI_MODEL": work.model} if work.model else {})


def _system(said: dict[str, Any]) -> Iterator[AgentEvent]:
    match said.get("subtype"):
        case "init":
            yield Started(text(said.get("session_id")) or None, text(said.get("model")) or None)
        case "retry":
            data = mapping(said.get("data"))
            if (delay := number(data.get("delayMs"))) is not None:  # told again without it when the wait is over
                yield Retry(delay=delay / 1000)
        case kind:
            yield Unknown(f"system/{text(kind)}")


def _tool_results(said: dict[str, Any]) -> Iterator[AgentEvent]:
    for block in mappings(mapping(said.get("message")).get("content")):
        if block.get("type") == "tool_result":
            output = text(block.get("content")) or "\n".join(
                text(each.get("text")) for each in mappings(block.get("content"))
            )
            yield ToolResult(block.get("is_error") is not True, output, text(block.get("tool_use_id")))


def _ending(said: dict[str, Any]) -> Ended:
    if said.get("is_error") is False and said.get("subtype") == "success":
        return Ended(EndStatus.COMPLETED, "completed")
    reason = text(mapping(said.get("error")).get("message")) or text(said.get("subtype")) or "it ended with an error"
    return Ended(failure(reason), reason)


def _counts(usage: dict[str, Any]) -> Counts:
    tokens_in, tokens_out, cached = (count(usage.get(name)) for name in _FIELDS)
    return tokens_in, tokens_out, cached


def _less(one: Counts, other: Counts) -> Counts:
    first, second, third = (None if a is None or b is None else a - b for a, b in zip(one, other, strict=True))
    return first, second, third


def _more(one: Counts, other: Counts) -> Counts:
    first, second, third = (None if a is None or b is None else a + b for a, b in zip(one, other, strict=True))
    return first, second, third
