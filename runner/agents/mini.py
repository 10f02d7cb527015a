"""The `mini` agent: Orch's own small coding agent, for which a model's key is enough."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runner.agents import mini_driver, mini_model
from runner.agents.base import (
    AgentCommand,
    AgentEvent,
    AsksNobody,
    Assignment,
    Ended,
    EndStatus,
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
    base_environment,
)
from runner.agents.reading import count, mapping, number, read_object, text
from runner.supervision import Stream

_DRIVER = str(Path(mini_driver.__file__).resolve())
_STATUSES = frozenset(EndStatus)
_KEYS = {Wire.OPENAI_CHAT: "OPENAI_API_KEY", Wire.ANTHROPIC: "ANTHROPIC_API_KEY"}
_URLS = {Wire.OPENAI_CHAT: "https://api.openai.com/v1", Wire.ANTHROPIC: "https://api.anthropic.com"}


@dataclass(frozen=True, slots=True)
class MiniLimits:
    """What one run may use, where the assignment does not say it.

    A provider that asks for a longer pause than `longest_delay` seconds is not asked again. `answer_tokens` is told to
    Anthropic's wire only, which needs it.
    """

    turns: int = 200
    command_seconds: float = 600
    output_bytes: int = 20_000
    answer_seconds: float = 600
    answer_tokens: int = 16_000
    retries: int = 6
    first_delay: float = 1
    longest_delay: float = 60


class MiniAgent(AsksNobody):
    """Let a model work in the workspace with a shell and an editor, by chat completions or Anthropic Messages."""

    def __init__(self, wire: Wire = Wire.OPENAI_CHAT, limits: MiniLimits | None = None) -> None:
        if wire not in _URLS:
            raise ValueError(f"mini speaks {' and '.join(_URLS)}, not {wire}")
        self._limits = limits or MiniLimits()
        self.traits = Traits(
            name="mini",
            program=None,
            wire=wire,
            key=_KEYS[wire],
            url=_URLS[wire],
            limits=frozenset({OwnLimit.TURNS}),
            lacks=(
                "It keeps no session: each run begins anew.",
                "It shortens no conversation: a task that outgrows the model's context fails.",
            ),
        )

    def command(self, work: Assignment) -> AgentCommand:
        assert work.endpoint is not None  # the contract, for an agent with a wire
        limits = asdict(self._limits)
        limits["turns"] = self._limits.turns if work.max_turns is None else work.max_turns
        told = {"prompt": work.prompt.text, "wire": self.traits.wire, "url": work.endpoint.url, "model": work.model}
        return AgentCommand(
            argv=(sys.executable, "-I", "-S", _DRIVER),
            env=base_environment(work.home, work.tmp) | {mini_model.KEY: work.endpoint.key},
            stdin=json.dumps(told | limits).encode(),
        )

    def parse(self, line: bytes, stream: Stream) -> Iterable[AgentEvent]:
        if stream is Stream.STDERR:
            return (Text(line.decode("utf-8", "replace")),)
        said = read_object(line)
        return (Unknown("a line that is no event"),) if said is None else tuple(_events(said))

    def close(self, code: int | None) -> Iterable[AgentEvent]:
        return ()


def _events(said: dict[str, Any]) -> Iterator[AgentEvent]:
    kind = text(said.get("type"))
    match kind:
        case "started":
            yield Started(None, text(said.get("model")) or None)
        case "text":
            yield Text(text(said.get("text")))
        case "tool_call":
            yield ToolCall(text(said.get("name")), mapping(said.get("input")), text(said.get("id")))
        case "tool_result":
            yield ToolResult(said.get("ok") is True, text(said.get("output")), text(said.get("id")))
        case "refused":
            yield Refused(text(said.get("tool")), text(said.get("reason")))
        case "usage":
            yield UsageReport(
                count(said.get("tokens_in")), count(said.get("tokens_out")), count(said.get("tokens_cached"))
            )
        case "retry":
            yield Retry(count(said.get("status")), number(said.get("delay")))
        case "ended" if text(said.get("status")) in _STATUSES:
            yield Ended(EndStatus(said["status"]), text(said.get("reason")))
        case "unknown":
            yield Unknown(text(said.get("kind")))
        case _:
            yield Unknown(kind)
