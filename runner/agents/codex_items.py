"""Read what both streams of Codex hold: its items, its errors, and tokens that count a whole thread."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from runner.agents.base import AgentEvent, Ended, EndStatus, Refused, Text, ToolCall, ToolResult, Unknown, UsageReport
from runner.agents.reading import count, mapping, text

_TOOLS = {
    "collab_agent_tool_call",
    "collab_tool_call",
    "command_execution",
    "dynamic_tool_call",
    "file_change",
    "image_generation",
    "image_view",
    "mcp_tool_call",
    "web_search",
}
_INPUTS = ("command", "cwd", "changes", "server", "tool", "arguments", "query", "path", "prompt")
_SILENT = {"context_compaction", "hook_prompt", "plan", "reasoning", "todo_list", "user_message"}
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_STATUS = re.compile(r"\bstatus:? (\d{3})\b")
_LIMITED = re.compile(r"too many requests|rate.?limit|usage limit|quota|at capacity|overloaded", re.IGNORECASE)
_HIGH_DEMAND = "experiencing high demand"  # all that it says of a 500


class Tokens(NamedTuple):
    """Counts of a thread so far; None is unknown."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None

    def since(self, before: "Tokens") -> UsageReport:
        """Report what came since; a count that shrank began anew."""
        tokens_in, tokens_out, cached = (_difference(now, then) for now, then in zip(self, before, strict=True))
        return UsageReport(tokens_in, tokens_out, cached)


def _difference(now: int | None, then: int | None) -> int | None:
    if now is None or then is None:
        return None
    return now - then if now >= then else now


def read_tokens(usage: dict[str, Any]) -> Tokens:
    """Return the counts of `codex exec` or of its app server; both count cached tokens among those in."""
    snake = {_snake(name): count(value) for name, value in usage.items()}
    return Tokens(snake.get("input_tokens"), snake.get("output_tokens"), snake.get("cached_input_tokens"))


def status_in(message: str) -> int | None:
    """Return the HTTP status that an error message tells of."""
    if found := _STATUS.search(message):
        return int(found[1])
    return 500 if _HIGH_DEMAND in message else None


def failed(message: str, status: int | None = None) -> Ended:
    """Return the end that an error means; the message is often all there is."""
    status = status or status_in(message)
    limited = status in (429, 529) or (status is None and _LIMITED.search(message))
    return Ended(EndStatus.PROVIDER_LIMITED if limited else EndStatus.FAILED, message or "it failed without a reason")


class Items:
    """The items of one run: what was begun, and what was refused by whom the agent asked."""

    def __init__(self) -> None:
        self._begun: dict[str, dict[str, Any]] = {}
        self.denied: set[str] = set()

    def begun(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return tool and input of a call that was begun."""
        item = self._begun.get(name, {})
        return _kind(item), _input(item)

    def events(self, item: dict[str, Any], completed: bool) -> Iterator[AgentEvent]:
        """Yield what an item means, whether it has just begun or is completed."""
        kind = _kind(item)
        if kind in _TOOLS:
            yield from self._tool(kind, item, completed)
        elif kind == "agent_message":
            if completed:
                yield Text(text(item.get("text")))
        elif kind not in _SILENT:
            yield Unknown(f"item/{kind}")

    def _tool(self, kind: str, item: dict[str, Any], completed: bool) -> Iterator[AgentEvent]:
        name = text(item.get("id"))
        if not completed or name not in self._begun:
            self._begun[name] = item
            yield ToolCall(kind, _input(item), name)
        if completed:
            del self._begun[name]
            yield from self._end_of_tool(kind, item, name)

    def _end_of_tool(self, kind: str, item: dict[str, Any], name: str) -> Iterator[AgentEvent]:
        snake = {_snake(field): value for field, value in item.items()}
        status = text(snake.get("status"))
        if status == "declined" and name not in self.denied:
            yield Refused(kind)
        output = text(snake.get("aggregated_output")) or text(mapping(snake.get("error")).get("message"))
        ok = status not in ("failed", "declined") and snake.get("exit_code") in (None, 0)
        yield ToolResult(ok, output or ("" if ok else status), name)


def _kind(item: dict[str, Any]) -> str:
    return _snake(text(item.get("type")))


def _input(item: dict[str, Any]) -> dict[str, Any]:
    return {field: item[field] for field in _INPUTS if item.get(field) is not None}


def _snake(name: str) -> str:
    return _CAPITAL.sub("_", name).lower()
