"""Start the supervisor of a run and speak with it from asyncio."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from runner import supervise as wire

_SUPERVISE = str(Path(wire.__file__).resolve())
_LEAVE_SECONDS = wire.KILL_SECONDS + 5


class Stream(StrEnum):
    STDOUT = "stdout"
    STDERR = "stderr"


class ExitReason(StrEnum):
    EXITED = "exited"
    STOPPED = "stopped"
    WALL_TIME = "wall_time"
    SILENCE = "silence"
    WORKSPACE_BUSY = "workspace_busy"
    NOT_STARTED = "not_started"
    SUPERVISOR_LOST = "supervisor_lost"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use. `interrupt_seconds` above zero sends SIGINT that long before SIGTERM."""

    wall_seconds: float
    silence_seconds: float
    grace_seconds: float = 5.0
    line_bytes: int = 1 << 20
    output_bytes: int = 64 << 20
    interrupt_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Command:
    """One agent to run; `env` is its whole environment, `lock` lies outside the workspace `cwd`.

    With `talks` its standard input stays open after `stdin` until `Supervised.hang_up`. `sandboxed` is as
    `runner.sandbox.Confined` says.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    lock: Path
    limits: Limits
    stdin: bytes | None = None
    talks: bool = False
    sandboxed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its newline; `truncated` when it was longer than `Limits.line_bytes`."""

    stream: Stream
    data: bytes
    truncated: bool = False

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Rusage:
    """Sums over every process of the run; `max_rss_bytes` is that of the largest one."""

    user_seconds: float
    system_seconds: float
    max_rss_bytes: int
    processes: int


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended: `code` or `signal` of the agent itself, or neither when nobody saw it end.

    NOT_STARTED: the sandbox never came to start the agent; the code is the sandbox's, and its error output says why.
    """

    reason: ExitReason
    code: int | None = None
    signal: int | None = None
    dropped_bytes: int = 0
    rusage: Rusage | None = None
    survivors: int = 0
    detail: str = ""


class LineSplitter:
    """Cut one stream into lines and keep no more than `limit` bytes of each."""

    def __init__(self, stream: Stream, limit: int) -> None:
        self._stream, self._limit = stream, limit
        self._kept = bytearray()
        self._over = 0
        self.dropped = 0

    def feed(self, data: bytes) -> list[Line]:
        """Return the lines that `data` completes."""
        *whole, rest = data.split(b"\n")
        lines = []
        for piece in whole:
            self._add(piece)
            lines.append(self._take())
        self._add(rest)
        return lines

    def flush(self) -> list[Line]:
        """Return the last line if it had no newline."""
        return [self._take()] if self._kept or self._over else []

    def _add(self, piece: bytes) -> None:
        room = self._limit - len(self._kept)
        self._kept += piece[:room]
        self._over += max(0, len(piece) - room)

    def _take(self) -> Line:
        line = Line(self._stream, bytes(self._kept), truncated=self._over > 0)
        self.dropped += self._over
        self._kept.clear()
        self._over = 0
        return line


class Supervised:
    """A run in progress.

    Output is pulled: nothing is read from the agent before somebody iterates `lines()`, so a slow consumer slows the
    agent down and loses nothing. Past `Limits.output_bytes` the agent runs free and the rest is counted.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits) -> None:
        self._reader, self._writer, self._limits = reader, writer, limits
        self._splitters = {
            wire.OUT: LineSplitter(Stream.STDOUT, limits.line_bytes),
            wire.ERR: LineSplitter(Stream.STDERR, limits.line_bytes),
        }
        self._ready: deque[Line] = deque()
        self._header: bytes | None = None
        self._asked: ExitReason | None = None
        self._exit: Exit | None = None
        self._unread = 0
        self._reading = False
        self._wall = asyncio.get_running_loop().call_later(limits.wall_seconds, self._ask, ExitReason.WALL_TIME)

    async def lines(self) -> AsyncIterator[Line]:
        """Yield what the agent prints until no process of the run is left; a run has one reader at a time."""
        while self._ready or self._exit is None:
            if self._ready:
                yield self._ready.popleft()
            else:
                await self._advance()

    async def stop(self, reason: ExitReason = ExitReason.STOPPED) -> None:
        """Ask for the orderly end and return at once; the first reason stands. `wait()` tells how it went."""
        self._ask(reason)

    async def wait(self) -> Exit:
        """Return how the run ended; lines that nobody has read by now are discarded and counted as dropped."""
        async for line in self.lines():
            self._unread += len(line.data)
        assert self._exit is not None
        dropped = self._exit.dropped_bytes + self._unread
        return replace(self._exit, dropped_bytes=dropped + sum(each.dropped for each in self._splitters.values()))

    def begin(self, command: Command) -> None:
        """Send the order; the supervisor starts the agent when it has read all of it."""
        limits = command.limits
        order = {
            "argv": command.argv,
            "env": dict(command.env),
            "cwd": str(command.cwd),
            "lock": str(command.lock),
            "interrupt_seconds": limits.interrupt_seconds,
            "grace_seconds": limits.grace_seconds,
            "output_bytes": limits.output_bytes,
            "has_stdin": command.stdin is not None or command.talks,
            "talks": command.talks,
            "sandboxed": command.sandboxed,
        }
        self._writer.write(wire.frame(wire.COMMAND, json.dumps(order).encode()))
        if command.stdin is not None or command.talks:
            self._writer.write(wire.frame(wire.STDIN, command.stdin or b""))

    async def send(self, data: bytes) -> None:
        """Write to the standard input of an agent that talks; what comes after its end is lost."""
        if self._exit is None:
            self._writer.write(wire.frame(wire.STDIN, data))
            with suppress(OSError):
                await self._writer.drain()

    async def hang_up(self) -> None:
        """Close the agent's standard input once it has read what was sent."""
        if self._exit is None:
            self._writer.write(wire.frame(wire.HANGUP, b""))

    async def close(self) -> None:
        """Wait for the supervisor to let go of the socket, which it does when all else is gone."""
        self._wall.cancel()
        with suppress(OSError):
            while await self._reader.read(1 << 16):
                pass
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    def _ask(self, reason: ExitReason) -> None:
        if self._asked is None and self._exit is None:
            self._asked = reason
            self._writer.write(wire.frame(wire.STOP, b""))

    async def _advance(self) -> None:
        if self._reading:  # lines must not vanish into whoever comes second
            raise RuntimeError("this run is being read already")
        self._reading = True
        try:
            kind, payload = await self._read_frame()
        except (asyncio.IncompleteReadError, OSError):
            self._end(Exit(ExitReason.SUPERVISOR_LOST, detail="the supervisor ended without a report"))
            return
        finally:
            self._reading = False
        if kind == wire.END:
            self._end(self._read_report(json.loads(payload)))
        elif kind in self._splitters:
            self._ready.extend(self._splitters[kind].feed(payload))

    async def _read_frame(self) -> tuple[bytes, bytes]:
        """Read one frame; time counts as silence only while somebody waits here."""
        loop = asyncio.get_running_loop()
        silence = loop.call_later(self._limits.silence_seconds, self._ask, ExitReason.SILENCE)
        try:
            if self._header is None:  # kept when the reading of the payload is cancelled
                self._header = await self._reader.readexactly(wire.HEADER_BYTES)
            payload = await self._reader.readexactly(int.from_bytes(self._header[1:], "big"))
            kind, self._header = self._header[:1], None
            return kind, payload
        finally:
            silence.cancel()

    def _end(self, ended: Exit) -> None:
        for splitter in self._splitters.values():
            self._ready.extend(splitter.flush())
        self._exit = ended
        self._wall.cancel()

    def _read_report(self, report: dict[str, Any]) -> Exit:
        if "busy" in report:
            return Exit(ExitReason.WORKSPACE_BUSY, detail=report["busy"])
        status = report["exit"]
        ended = ExitReason.EXITED if report["started"] else ExitReason.NOT_STARTED
        return Exit(
            reason=self._asked if self._asked and report["asked"] else ended,
            code=status if status is not None and status >= 0 else None,
            signal=-status if status is not None and status < 0 else None,
            dropped_bytes=report["dropped"],
            rusage=Rusage(
                report["user_seconds"], report["system_seconds"], report["max_rss_kib"] * 1024, report["reaped"]
            ),
            survivors=report["survivors"],
        )


@asynccontextmanager
async def supervise(command: Command) -> AsyncIterator[Supervised]:
    """Run one agent; leaving the context, however, kills every process of the run and waits for that.

    If SIGKILL cannot end one within KILL_SECONDS, the supervisor stays behind and keeps the workspace locked.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = _start(theirs)
        run: Supervised | None = None
        try:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            run = Supervised(reader, writer, command.limits)
            run.begin(command)
            yield run
        finally:
            with suppress(OSError):
                ours.shutdown(socket.SHUT_WR)
            await _in_spite_of_cancellation(_leave(process, run))


def _start(channel: socket.socket) -> subprocess.Popen[bytes]:
    """Start the supervisor in a session of its own, out of reach of the terminal's signals."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", _SUPERVISE],
        stdin=channel.fileno(),
        stdout=subprocess.DEVNULL,
        env=dict[str, str](),
        cwd="/",
        start_new_session=True,
    )


async def _leave(process: subprocess.Popen[bytes], run: Supervised | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_LEAVE_SECONDS):
            if run is not None:
                await run.close()
            await _gone(process)


async def _gone(process: subprocess.Popen[bytes]) -> None:
    """Wait for a child without a thread and without a child watcher, both of which lose exit codes under load."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    fd = os.pidfd_open(process.pid)
    loop.add_reader(fd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
    process.wait()


async def _in_spite_of_cancellation(work: Coroutine[None, None, None]) -> None:
    """Finish `work`, which has a bound of its own, and only then be cancelled."""
    task = asyncio.create_task(work, name="leave supervised run")
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError
