"""The tool calls of an ACP agent, of which it tells piece by piece."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from runner.agents.base import AgentEvent, ToolCall, ToolResult
from runner.agents.reading import mapping, mappings, text

_OVER = {"completed", "failed"}
_BESIDE = {"cwd"}
"""What opencode says of a call before it knows anything else."""


class InputFrom(StrEnum):
    """Where an agent that gives no rawInput says what a tool is given.

    Only its adapter can vouch for it: elsewhere a title is cut short, and a content is what the model wrote.
    """

    RAW = "rawInput alone"
    CONTENT = "the text of a call's content, as JSON"
    TITLE = "the title of a shell call, which is the whole command"


@dataclass(slots=True)
class Call:
    """One tool call, as far as the agent has told of it."""

    id: str
    name: str = ""
    kind: str = ""
    titles: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)
    spoken: dict[str, Any] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    announced: bool = False
    over: bool = False

    def add(self, piece: Mapping[str, Any]) -> None:
        """Take in one more piece; what it does not name stays."""
        self.name = text(piece.get("name")) or self.name
        self.kind = text(piece.get("kind")) or self.kind
        if title := text(piece.get("title")):
            self.titles = [*self.titles[:1], title]
        self.raw |= mapping(piece.get("rawInput"))
        self.changed = _changed(piece) or self.changed

    @property
    def tool(self) -> str:
        """The tool's own name where the agent gives it, else ACP's word for its kind, else what it was called first."""
        kind = "" if self.kind == "other" else self.kind
        return self.name or kind or (self.titles[0] if self.titles else "") or "unknown"

    @property
    def input(self) -> dict[str, Any]:
        """What the tool is given; empty if that cannot be read."""
        if self.raw.keys() - _BESIDE:
            return dict(self.raw)
        if self.spoken or not self.changed:
            return dict(self.spoken)
        return {"path": self.changed[0]} if len(self.changed) == 1 else {"paths": self.changed}


class Calls:
    """All tool calls of a run."""

    def __init__(self, inputs: InputFrom) -> None:
        self._inputs = inputs
        self._calls: dict[str, Call] = {}

    def __contains__(self, call_id: str) -> bool:
        return call_id in self._calls

    def update(self, piece: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """Take in a piece; a call is told of once its input is known, or when it is over."""
        call = self._take(piece)
        over = (status := text(piece.get("status"))) in _OVER
        if self._inputs is InputFrom.CONTENT and not over:
            call.spoken = _spoken(piece) or call.spoken
        if over or (status == "in_progress" and call.input):
            yield from self._announce(call)
        if over and not call.over:
            yield ToolResult(status == "completed" and not _exit_code(piece), _output(piece), call.id)
            self._calls[call.id] = Call(call.id, announced=True, over=True)

    def ask(self, piece: Mapping[str, Any]) -> tuple[Call, tuple[AgentEvent, ...]]:
        """Return the call that leave is asked for, and what tells of it if nothing has before."""
        call = self._take(piece)
        return call, tuple(self._announce(call))

    def _take(self, piece: Mapping[str, Any]) -> Call:
        call_id = text(piece.get("toolCallId"))
        call = self._calls.setdefault(call_id, Call(call_id)) if call_id else Call("")
        call.add(piece)
        if self._inputs is InputFrom.TITLE and call.kind == "execute" and call.titles:
            call.spoken = {"command": call.titles[-1]}
        return call

    def _announce(self, call: Call) -> Iterator[AgentEvent]:
        if not call.announced:
            call.announced = True
            yield ToolCall(call.tool, call.input, call.id)


def _parts(piece: Mapping[str, Any]) -> Iterator[str]:
    for part in mappings(piece.get("content")):
        yield text(mapping(part.get("content")).get("text"))


def _spoken(piece: Mapping[str, Any]) -> dict[str, Any]:
    """Return the input as kimi gives it: JSON in the text of the content."""
    for said in _parts(piece):
        try:
            found = json.loads(said)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return {}


def _changed(piece: Mapping[str, Any]) -> list[str]:
    """Return the paths of the diffs that the content holds."""
    diffs = [part for part in mappings(piece.get("content")) if part.get("type") == "diff"]
    return [path for part in diffs if (path := text(part.get("path")))]


def _output(piece: Mapping[str, Any]) -> str:
    raw = piece.get("rawOutput")
    said = "\n".join(part for part in _parts(piece) if part)
    return said or text(raw) or text(mapping(raw).get("output")) or text(mapping(raw).get("error"))


def _exit_code(piece: Mapping[str, Any]) -> Any:
    """Return the exit code of a shell call where it is told; a completed call may hold a command that failed."""
    raw = mapping(piece.get("rawOutput"))
    return (
        raw.get("exitCode")
        or mapping(raw.get("metadata")).get("exit")
        or mapping(mapping(piece.get("_meta")).get("terminal_exit")).get("exit_code")
    )
