"""The transcript of a run: what its agent printed, and what that was understood as, kept while it happens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from typing import Any, Generic, TypeVar

from app.log import log
from app.ports import Artifacts, Clock
from app.redaction import Redaction
from runner.agents.base import AgentEvent
from runner.event_json import dump, event_json
from runner.supervision import Line

PIECE = 64 << 10
"""Bytes that are written at once, if they come soon."""
SECONDS = 1.0
"""For which what comes is gathered, unless whoever opens it says otherwise."""
HELD = 1 << 20
"""Bytes that may wait to be written; past them, whoever reads the agent waits."""
LIMIT = 32 << 20
"""Bytes kept of each file, about."""
LEAVE_SECONDS = 10.0
"""How long a disk that does not answer may hold up the end of a run."""
OURS = "orch"
"""The stream that the transcript's own words are on."""

_LINE_OVERHEAD = 100
_BOOL = {False: "false", True: "true"}

T = TypeVar("T")
Entry = tuple[str, str, str, bool]


def stream_key(run_id: str) -> str:
    """Name the artifact with every line: objects of `at`, `stream`, `text`, `truncated`."""
    return f"runs/{run_id}/stream.jsonl"


def events_key(run_id: str) -> str:
    """Name the artifact with every event: `at` and what `event_json` makes of it.

    Besides, `cut_off` says that what follows is not kept, and `run_ended` is the last, with what was `dropped`.
    """
    return f"runs/{run_id}/events.jsonl"


@dataclass(slots=True)
class _Page(Generic[T]):
    """One file: what waits to be written, and how much was written or dropped; `overhead` is bytes for each entry."""

    key: str
    encode: Callable[[list[T]], bytes]
    overhead: int = 0
    waiting: list[T] = field(default_factory=list)
    held: int = 0
    written: int = 0
    dropped: int = 0
    dropped_bytes: int = 0
    cut: bool = False
    torn: bool = False

    @property
    def is_full(self) -> bool:
        return self.cut or self.written + self.held >= LIMIT

    def add(self, entry: T, size: int) -> None:
        self.waiting.append(entry)
        self.held += size + self.overhead

    def take(self) -> tuple[list[T], int]:
        taken = self.waiting, self.held - self.overhead * len(self.waiting)
        self.waiting, self.held = [], 0
        return taken

    def drop(self, entries: int, size: int) -> None:
        self.dropped += entries
        self.dropped_bytes += size


class Transcript:
    """Keeps what passes through a run as artifacts, without secrets.

    Memory is bounded: a slow disk slows down who calls. What a disk does not take is lost and counted, and the run goes
    on. Of each file about LIMIT bytes are kept; the rest is counted.
    """

    def __init__(
        self, artifacts: Artifacts, clock: Clock, run_id: str, redaction: Redaction, seconds: float = SECONDS
    ) -> None:
        self._artifacts, self._clock, self._run_id, self._redaction = artifacts, clock, run_id, redaction
        self._stream = _Page[Entry](stream_key(run_id), self._encode_lines, _LINE_OVERHEAD)
        self._events = _Page[bytes](events_key(run_id), b"".join)
        self._some, self._enough, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._closing = self._warned = False
        self._seconds = seconds

    @classmethod
    @asynccontextmanager
    async def open(
        cls, artifacts: Artifacts, clock: Clock, run_id: str, redaction: Redaction, seconds: float = SECONDS
    ) -> AsyncIterator["Transcript"]:
        """Keep the transcript of a run; when the context is left, all of it is written, and that it is all."""
        transcript = cls(artifacts, clock, run_id, redaction, seconds)
        writer = asyncio.create_task(transcript._write_on(), name=f"transcript of run {run_id}")
        try:
            yield transcript
        finally:
            transcript._close()
            try:
                await asyncio.wait({writer}, timeout=LEAVE_SECONDS)
            finally:
                await transcript._leave(writer)

    async def line(self, line: Line) -> None:
        """Keep a line of the agent's output."""
        page, size = self._stream, len(line.data)
        if page.is_full:
            if not page.cut:
                page.add((self._now(), OURS, self._cut(page), False), 0)
            page.drop(1, size)
        else:
            page.add((self._now(), line.stream, line.text, line.truncated), size)
        await self._added()

    async def event(self, event: AgentEvent) -> None:
        """Keep what was understood."""
        page = self._events
        if page.is_full:
            if not page.cut:
                page.add(self._say(type="cut_off", text=self._cut(page)), 0)
            page.drop(1, 0)
        else:
            said = self._event_line(event)
            page.add(said, len(said))
        await self._added()

    def _cut(self, page: _Page[Any]) -> str:
        page.cut = True
        return f"only the first {LIMIT >> 20} MiB are kept"

    def _event_line(self, event: AgentEvent) -> bytes:
        try:
            return self._say(**event_json(event))
        except (ValueError, RecursionError) as error:  # a tool's input that is nested too deep, for example
            return self._say(type="unknown", kind=f"{type(event).__name__}, not kept: {type(error).__name__}")

    def _say(self, **said: Any) -> bytes:
        hide = self._redaction.value
        return dump({"at": self._now()} | {name: hide(value) for name, value in said.items()})

    def _now(self) -> str:
        return self._clock.now().isoformat()

    async def _added(self) -> None:
        self._some.set()
        if self._held >= PIECE:
            self._enough.set()
        while self._held > HELD:
            self._room.clear()
            await self._room.wait()

    @property
    def _held(self) -> int:
        return self._stream.held + self._events.held

    def _close(self) -> None:
        self._closing = True
        self._some.set()
        self._enough.set()

    async def _leave(self, writer: asyncio.Task[None]) -> None:
        if not writer.done():
            log().warning("the run's transcript was not finished", run=self._run_id, seconds=LEAVE_SECONDS)
            writer.cancel()
        with suppress(asyncio.CancelledError):
            await writer

    # The writer

    async def _write_on(self) -> None:
        while not self._closing:
            await self._some.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._enough.wait()
            self._some.clear()
            self._enough.clear()
            await self._write_all()
        await self._write_all()
        self._add_last_words()
        await self._write_all()

    async def _write_all(self) -> None:
        await self._write(self._stream)
        await self._write(self._events)

    async def _write(self, page: _Page[T]) -> None:
        """Write what waits; what cannot be written is counted."""
        entries, size = page.take()
        self._room.set()
        if not entries:
            return
        try:
            piece = page.encode(entries)
            page.written += len(piece)
            await self._artifacts.append(page.key, b"\n" + piece if page.torn else piece)
            page.torn = False
        except Exception as error:  # whatever it is: the run is worth more than its transcript
            page.torn = True
            page.drop(len(entries), size)
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            log().warning("the run's transcript has gaps", run=self._run_id, reason=str(error))

    def _add_last_words(self) -> None:
        stream, events = self._stream, self._events
        if stream.dropped:
            text = f"not kept: {stream.dropped} lines, {stream.dropped_bytes} bytes"
            stream.add((self._now(), OURS, text, False), 0)
        lost = {"lines": stream.dropped, "bytes": stream.dropped_bytes, "events": events.dropped}
        events.add(self._say(type="run_ended", dropped=lost), 0)

    def _encode_lines(self, entries: list[Entry]) -> bytes:
        """Look for secrets in all lines at once; only if there may be one, in each, so that they stay lines."""
        texts = [text for _, _, text, _ in entries]
        if self._redaction.suspects("\n".join(texts)):
            texts = [self._redaction.text(text) for text in texts]
        said = [
            f'{{"at":"{at}","stream":"{stream}","text":{encode_basestring(text)},"truncated":{_BOOL[truncated]}}}\n'
            for (at, stream, _, truncated), text in zip(entries, texts, strict=True)
        ]
        return "".join(said).encode()
