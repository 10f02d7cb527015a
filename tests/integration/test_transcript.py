"""Transcripts on a real disk, and at ports that are slow or fail."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from structlog.testing import capture_logs

from app.domain.errors import Retryable
from app.redaction import Redaction
from infra.local.artifacts import DiskArtifacts
from infra.local.clock import SystemClock
from runner import transcript as module
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
from runner.event_json import KINDS, event_json, event_of
from runner.supervision import Command, Limits, Line, Stream, supervise
from runner.transcript import HELD, LIMIT, PIECE, Transcript, events_key, stream_key

RUN = "run-1"
TOKEN = "ghs_" + "a1B2" * 9
NOTHING_DROPPED = {"lines": 0, "bytes": 0, "events": 0}
EVENTS: tuple[AgentEvent, ...] = (
    Started("s-1", None),
    Text("hello\nthere"),
    ToolCall("Bash", {"command": "ls", "more": [1, None, {"a": True}]}, "c-1"),
    ToolResult(False, "no such file", "c-1"),
    UsageReport(1000, 50, 200, Decimal("0.0127")),
    UsageReport(None, None),
    Retry(429, 1.5),
    Limited(1_795_310_720.5),
    Refused("Bash", "not allowed"),
    Asked("7", "Bash", {"command": "rm -r x"}),
    Send('{"id": "ä"}\n'.encode()),
    Heard("comment-1"),
    Hangup(),
    Unknown("new_thing"),
    Ended(EndStatus.LIMIT_REACHED, "20 turns"),
)


def lines_of(data: bytes | None) -> list[dict[str, Any]]:
    assert data is not None
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def without_time(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop the times, which must be some."""
    times = [datetime.fromisoformat(each.pop("at")) for each in said]
    assert times == sorted(times)
    return said


def said_on(stream: str, text: str, *, truncated: bool = False) -> dict[str, Any]:
    return {"stream": stream, "text": text, "truncated": truncated}


def out(text: str) -> Line:
    return Line(Stream.STDOUT, text.encode())


class Gate(DiskArtifacts):
    """A disk that takes nothing before it is opened; `pieces` are the sizes of what it was given, `done` the keys."""

    def __init__(self, root: Path, *, is_open: bool = True) -> None:
        super().__init__(root)
        self.pieces: list[int] = []
        self.done: asyncio.Queue[str] = asyncio.Queue()
        self.opened = asyncio.Event()
        if is_open:
            self.opened.set()

    async def append(self, key: str, data: bytes) -> None:
        self.pieces.append(len(data))
        await self.opened.wait()
        await super().append(key, data)
        self.done.put_nowait(key)


class Broken(DiskArtifacts):
    """A disk whose first writes end after half of the data."""

    def __init__(self, root: Path, failures: int) -> None:
        super().__init__(root)
        self.failures = failures
        self.failed = asyncio.Event()

    async def append(self, key: str, data: bytes) -> None:
        if self.failures:
            self.failures -= 1
            await super().append(key, data[: len(data) // 2])
            self.failed.set()
            raise Retryable("no room")
        await super().append(key, data)


@pytest.fixture
def disk(tmp_path: Path) -> DiskArtifacts:
    return DiskArtifacts(tmp_path)


@asynccontextmanager
async def transcript(artifacts: DiskArtifacts, *secrets: str) -> AsyncIterator[Transcript]:
    async with Transcript.open(artifacts, SystemClock(), RUN, Redaction(secrets)) as opened:
        yield opened


async def stream_in(artifacts: DiskArtifacts) -> list[dict[str, Any]]:
    return without_time(lines_of(await artifacts.read(stream_key(RUN))))


async def events_in(artifacts: DiskArtifacts) -> list[dict[str, Any]]:
    return without_time(lines_of(await artifacts.read(events_key(RUN))))


# The form of events


def test_every_event_has_a_form() -> None:
    assert set(KINDS.values()) == set(get_args(AgentEvent)) == {type(event) for event in EVENTS}


@pytest.mark.parametrize("event", EVENTS, ids=[type(event).__name__ for event in EVENTS])
def test_an_event_is_read_as_it_was_written(event: AgentEvent) -> None:
    assert event_of(json.loads(json.dumps(event_json(event)))) == event


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"type": "of tomorrow"},
        {"type": ["text"]},
        {"type": "text"},
        {"type": "ended", "status": "new", "reason": ""},
        {"type": "usage", "tokens_in": 1, "tokens_out": 1, "cost": "much"},
        {"type": "send", "data": 5},
    ],
)
def test_what_is_no_event_is_none(said: dict[str, Any]) -> None:
    assert event_of(said) is None


def test_a_field_that_is_not_known_is_passed_over() -> None:
    assert event_of({"type": "text", "text": "a", "later": 1}) == Text("a")


# What is kept


async def test_lines_are_kept_in_order(disk: DiskArtifacts) -> None:
    async with transcript(disk) as kept:
        await kept.line(out('{"a": "\\u00e4"}'))
        await kept.line(Line(Stream.STDERR, b'quo"ted\t\xff\x00 and \xc3\xa4', truncated=True))
    assert await stream_in(disk) == [
        said_on("stdout", '{"a": "\\u00e4"}'),
        said_on("stderr", 'quo"ted\t\N{REPLACEMENT CHARACTER}\0 and ä', truncated=True),
    ]


async def test_events_are_kept_in_order_and_then_that_the_run_ended(disk: DiskArtifacts) -> None:
    async with transcript(disk) as kept:
        for event in EVENTS:
            await kept.event(event)
    *kept_events, last = await events_in(disk)
    assert tuple(event_of(said) for said in kept_events) == EVENTS
    assert last == {"type": "run_ended", "dropped": NOTHING_DROPPED}


async def test_what_a_real_process_printed_is_kept(disk: DiskArtifacts, tmp_path: Path) -> None:
    script = "import sys; [print(n, 'x' * 1000) for n in range(500)]; print('bye', file=sys.stderr)"
    argv = (sys.executable, "-I", "-S", "-c", script)
    command = Command(argv, {"PATH": os.defpath}, tmp_path, tmp_path / "lock", Limits(30, 30))
    async with transcript(disk) as kept, supervise(command) as supervised:
        printed = []
        async for line in supervised.lines():
            printed.append(said_on(line.stream, line.text))
            await kept.line(line)
    assert (len(printed), await stream_in(disk)) == (501, printed)


async def test_half_a_surrogate_pair_is_kept(disk: DiskArtifacts) -> None:
    async with transcript(disk) as kept:
        await kept.event(Text("\ud800 and \\ud800"))
    assert (await events_in(disk))[0] == {"type": "text", "text": "\ud800 and \\ud800"}


async def test_an_input_nested_too_deep_is_named(disk: DiskArtifacts) -> None:
    nested: dict[str, Any] = {}
    for _ in range(900):
        nested = {"a": nested}
    async with transcript(disk) as kept:
        await kept.event(ToolCall("Bash", nested))
    assert (await events_in(disk))[0] == {"type": "unknown", "kind": "ToolCall, not kept: RecursionError"}


# Secrets


async def test_secrets_are_not_written_and_lines_stay_lines(disk: DiskArtifacts) -> None:
    texts = [f"token {TOKEN}", "my word is Open-Sesame", "-----BEGIN PRIVATE KEY-----", "plain"]
    async with transcript(disk, "Open-Sesame") as kept:
        for text in texts:
            await kept.line(out(text))
    assert [said["text"] for said in await stream_in(disk)] == [
        "token [redacted]",
        "my word is [redacted]",
        "[redacted]",
        "plain",
    ]


async def test_secrets_in_events_are_not_written(disk: DiskArtifacts) -> None:
    async with transcript(disk, "Open-Sesame") as kept:
        await kept.event(Text(f"it is {TOKEN}"))
        await kept.event(ToolCall("Bash", {"command": ["echo", "Open-Sesame"], "password": "1234"}))
        await kept.event(Send(b"say Open-Sesame"))
    text, call, send, _ = await events_in(disk)
    assert (text["text"], send["data"]) == ("it is [redacted]", "say [redacted]")
    assert call["input"] == {"command": ["echo", "[redacted]"], "password": "[redacted]"}


# When it is written


async def test_it_is_written_while_the_run_goes_on(tmp_path: Path) -> None:
    disk = Gate(tmp_path)
    async with transcript(disk) as kept, asyncio.timeout(30):
        await kept.line(out("first"))
        await kept.event(Text("first"))
        assert [await disk.done.get(), await disk.done.get()] == [stream_key(RUN), events_key(RUN)]
        assert await stream_in(disk) == [said_on("stdout", "first")]
        assert await events_in(disk) == [{"type": "text", "text": "first"}]


async def test_little_is_gathered_and_much_is_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 3600)
    disk = Gate(tmp_path)
    async with transcript(disk) as kept, asyncio.timeout(30):
        for _ in range(10):
            await kept.line(out("x"))
            await asyncio.sleep(0)
        assert disk.pieces == []
        await kept.line(out("x" * PIECE))
        await disk.done.get()
        assert PIECE < sum(disk.pieces) < 2 * PIECE


async def test_a_slow_disk_slows_the_run_down_and_nothing_is_lost(tmp_path: Path) -> None:
    disk = Gate(tmp_path, is_open=False)
    many = 4 * HELD // 1000
    async with transcript(disk) as kept:

        async def print_all() -> None:
            for number in range(many):
                await kept.line(out(f"{number:<1000}"))

        printing = asyncio.create_task(print_all())
        done, _ = await asyncio.wait({printing}, timeout=0.5)
        assert done == set()
        assert sum(disk.pieces) < 2 * HELD
        disk.opened.set()
        await printing
    assert [int(said["text"]) for said in await stream_in(disk)] == list(range(many))


async def test_what_a_broken_disk_does_not_take_is_counted_and_the_run_goes_on(tmp_path: Path) -> None:
    disk = Broken(tmp_path, failures=1)
    with capture_logs() as heard:
        async with transcript(disk) as kept, asyncio.timeout(30):
            await kept.line(out("x" * PIECE))
            await disk.failed.wait()
            await kept.line(out("after"))
    torn, *rest = (await disk.read(stream_key(RUN)) or b"").splitlines()
    assert torn.endswith(b"xxx")
    texts = [json.loads(line)["text"] for line in rest]
    assert texts == ["after", f"not kept: 1 lines, {PIECE} bytes"]
    assert (await events_in(disk))[-1]["dropped"] == {"lines": 1, "bytes": PIECE, "events": 0}
    assert [(line["event"], line["reason"]) for line in heard] == [("the run's transcript has gaps", "no room")]


async def test_a_disk_that_never_answers_holds_up_the_end_only_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAVE_SECONDS", 0.1)
    with capture_logs() as heard:
        async with asyncio.timeout(30), transcript(Gate(tmp_path, is_open=False)) as kept:
            await kept.line(out("x"))
    assert [line["event"] for line in heard] == ["the run's transcript was not finished"]


# Its size


async def test_what_is_too_much_is_counted(disk: DiskArtifacts) -> None:
    async with transcript(disk) as kept:
        for _ in range(40):
            await kept.line(out("x" * (1 << 20)))
            await kept.event(Text("x" * (1 << 20)))
    *kept_lines, cut, counted = [said["text"] for said in await stream_in(disk)]
    lines = 40 - len(kept_lines)
    assert 0 < lines < 10
    assert (cut, counted) == ("only the first 32 MiB are kept", f"not kept: {lines} lines, {lines << 20} bytes")
    *kept_events, cut_off, ended = await events_in(disk)
    assert cut_off == {"type": "cut_off", "text": "only the first 32 MiB are kept"}
    assert ended["dropped"] == {"lines": lines, "bytes": lines << 20, "events": 40 - len(kept_events)}
    assert LIMIT <= len(await disk.read(events_key(RUN)) or b"") < LIMIT + 2 * HELD


# Its end


async def test_a_run_that_fails_has_ended_too(disk: DiskArtifacts) -> None:
    async def run() -> None:
        async with transcript(disk) as kept:
            await kept.event(Text("a"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run()
    assert [said["type"] for said in await events_in(disk)] == ["text", "run_ended"]


async def test_a_run_that_is_cancelled_has_ended_too(disk: DiskArtifacts) -> None:
    begun = asyncio.Event()

    async def run() -> None:
        async with transcript(disk) as kept:
            await kept.event(Text("a"))
            begun.set()
            await asyncio.Event().wait()

    running = asyncio.create_task(run())
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [said["type"] for said in await events_in(disk)] == ["text", "run_ended"]


async def test_a_run_that_said_nothing_has_ended_too(disk: DiskArtifacts) -> None:
    async with transcript(disk):
        pass
    assert await events_in(disk) == [{"type": "run_ended", "dropped": NOTHING_DROPPED}]
    assert await disk.read(stream_key(RUN)) is None
