"""What a run printed and did, line by line: for `orch run log`."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from time import monotonic
from typing import Any

from app.domain.errors import UserError
from app.entry.amounts import Used
from app.entry.run_view import find_run
from app.entry.transcripts import Entry, Tail, events_file, has_ended, stream_file, time_of
from app.settings import StateSettings
from app.terminal import printable
from runner.agents.base import (
    AgentEvent,
    Asked,
    Ended,
    Hangup,
    Heard,
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
from runner.event_json import event_of

AGAIN = 0.3
"""Seconds between two looks at a transcript that is followed."""
ALIVE_AGAIN = 2.0
"""Seconds between two looks whether a run that is followed still has a runner."""
LINES = 4
"""Lines that are shown of a result."""
LONGEST = 300
"""Characters that are shown of a line of a result, and of what a tool is told."""
SUBJECTS = ("command", "cmd", "file_path", "filePath", "absolute_path", "path", "pattern", "query", "url")
"""What says best what a tool call is about, by the names that agents have for it."""
INDENT = " " * 20


async def read_run(
    settings: StateSettings, prefix: str, *, raw: bool = False, follow: bool = False
) -> AsyncIterator[Entry]:
    """Yield the events of a run (`raw`: its lines) as the transcript has them; raises UserError if it has none.

    With `follow` go on until the run has ended, or has no runner any more.
    """
    run, asked_at = await find_run(settings, prefix), monotonic()
    path = (stream_file if raw else events_file)(settings, run.run_id)
    if not path.exists() and not (follow and run.is_alive):
        raise UserError(f"run {run.run_id} left no {'output' if raw else 'transcript'}")
    tail = Tail(path)
    while True:
        if follow and monotonic() - asked_at > ALIVE_AGAIN:
            run, asked_at = await find_run(settings, run.run_id), monotonic()
        over = not follow or not run.is_alive or has_ended(settings, run.run_id)
        for said in tail.read():
            yield said
        if over:
            return
        await asyncio.sleep(AGAIN)


def describe(said: Entry) -> str:
    """Say what happened, when, for a terminal: a line or more, or "" if it is of no interest."""
    found = _describe(said)
    if found is None:
        return ""
    what, text = found
    at = time_of(said)
    time = at.astimezone().strftime("%H:%M:%S") if at else ""
    first, *rest = [safe(line) for line in text.rstrip().split("\n")]
    return "\n".join([f"{time:8}  {what:8}  {first}".rstrip(), *(f"{INDENT}{line}" for line in rest)])


def safe(text: object) -> str:
    """Return text that any terminal can show, and that commands none."""
    return printable(str(text).encode("utf-8", "backslashreplace").decode())


def _describe(said: Entry) -> tuple[str, str] | None:
    event = event_of(said)
    if event is not None:
        return _of_agent(event)
    match said:
        case {"type": "run_ended"}:
            return "run", _end(said)
        case {"type": "cut_off", "text": str(text)}:
            return "cut off", text
        case _:
            return "unknown", str(said.get("type"))


def _of_agent(event: AgentEvent) -> tuple[str, str] | None:
    found: tuple[str, str] | None = None
    match event:
        case Started(session=session, model=model):
            found = "started", f"model {model or 'unknown'}, session {session or 'none'}"
        case Text(text=text):
            found = "says", str(text)
        case ToolCall(name=name, input=told):
            found = "calls", f"{name}: {_subject(told)}"
        case ToolResult(ok=ok, output=output):
            found = "result" if ok else "failed", _shorten(str(output))
        case UsageReport():
            found = "used", str(Used(event.tokens_in, event.tokens_out, event.tokens_cached, event.cost))
        case Heard(key=key):
            found = "hears", f"instruction {key}"
        case Asked(tool=tool, input=told):
            found = "asks", f"{tool}: {_subject(told)}"
        case Refused(tool=tool, reason=reason):
            found = "refused", f"{tool}: {reason}"
        case Retry():
            found = "retries", _retry(event)
        case Ended(status=status, reason=reason):
            found = "ended", f"{status}: {reason}"
        case Unknown(kind=kind):
            found = "unknown", str(kind)
        case Send() | Hangup():
            pass
    return found


def _retry(retry: Retry) -> str:
    after = "its model" if retry.status is None else f"its model after HTTP {retry.status}"
    return after if retry.delay is None else f"{after}, in {retry.delay} s"


def _subject(told: Mapping[str, Any]) -> str:
    found = next((told[name] for name in SUBJECTS if told.get(name)), told)
    if isinstance(found, list):
        found = " ".join(str(word) for word in found)
    return _shorten(found if isinstance(found, str) else json.dumps(found, ensure_ascii=False))


def _shorten(text: str) -> str:
    lines = text.rstrip().split("\n")
    shown = [line if len(line) <= LONGEST else f"{line[:LONGEST]}..." for line in lines[:LINES]]
    more = len(lines) - LINES
    return "\n".join([*shown, f"... ({more} more lines)"] if more > 0 else shown)


def _end(said: Entry) -> str:
    dropped = said.get("dropped")
    lost = {name: count for name, count in dropped.items() if count} if isinstance(dropped, dict) else {}
    return "ended" + (f"; not kept: {', '.join(f'{count} {name}' for name, count in lost.items())}" if lost else "")
