"""Agents' events as JSON objects, and back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

from runner.agents.base import (
    AgentEvent,
    Asked,
    Ended,
    EndStatus,
    Hangup,
    Heard,
    Limited,
    Refused,
    Retry,
    Send,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
    UsageReport,
)

KINDS: Mapping[str, type[AgentEvent]] = {
    "started": Started,
    "text": Text,
    "tool_call": ToolCall,
    "tool_result": ToolResult,
    "usage": UsageReport,
    "retry": Retry,
    "limited": Limited,
    "refused": Refused,
    "heard": Heard,
    "asked": Asked,
    "send": Send,
    "hangup": Hangup,
    "unknown": Unknown,
    "ended": Ended,
}
_FORMS = {kind: (name, tuple(field.name for field in fields(kind))) for name, kind in KINDS.items()}
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)
_READ: Mapping[str, Callable[[Any], Any]] = {
    "input": dict,
    "cost": lambda cost: None if cost is None else Decimal(cost),
    "status": lambda status: EndStatus(status) if isinstance(status, str) else status,
    "data": lambda data: data.encode("utf-8", "surrogatepass"),
}


def event_json(event: AgentEvent) -> dict[str, Any]:
    """Return the event as a JSON object: its `type` and its fields; bytes become text, a cost too."""
    name, names = _FORMS[type(event)]
    return {"type": name} | {each: _plain(getattr(event, each)) for each in names}


def event_of(said: Mapping[str, Any]) -> AgentEvent | None:
    """Return the event that `event_json` made this of; None for anything else. Values are not checked."""
    try:
        kind = KINDS[said["type"]]
        return kind(**{name: _READ.get(name, _same)(said[name]) for name in _FORMS[kind][1] if name in said})
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        return None


def dump(said: Mapping[str, Any]) -> bytes:
    """Return an object as a line of JSON."""
    line = _ENCODER.encode(said) + "\n"
    return line.encode("utf-8", "backslashreplace")  # half of a surrogate pair, which is then just as JSON has it


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return str(value)
        case bytes():
            return value.decode("utf-8", "replace")
        case _:
            return value


def _same(value: Any) -> Any:
    return value
