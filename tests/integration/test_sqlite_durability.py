"""One queue.db in several processes, which are killed at random moments.

The file is also the program of those processes, see `main`.
"""

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from app.domain.envelope import Envelope, Source
from app.ports import EventQueue, Lease, LeaseLost
from infra.local.clock import SystemClock
from infra.sqlite.database import Database
from infra.sqlite.events import SqliteEventQueue
from infra.sqlite.migrations import QUEUE

ROOT = Path(__file__).parents[2]

GROUPS = 7
MESSAGES = 500
WORKERS = 3
KILLS = 14
LEASE_SECONDS = 1.0


def envelope(number: int) -> Envelope:
    group = f"repository:1/{number % GROUPS}"
    received_at = datetime(2026, 1, 1, tzinfo=UTC)
    return Envelope(id=str(number), group=group, source=Source.ORCH, name="tick", body=b"", received_at=received_at)


@asynccontextmanager
async def open_events(path: Path) -> AsyncIterator[EventQueue]:
    async with await Database.open(path, QUEUE, durable=True) as database:
        yield SqliteEventQueue(database, SystemClock(), lease_seconds=LEASE_SECONDS, max_failures=3)


# The tests


@dataclass(frozen=True, slots=True)
class Program:
    """A process that runs this file."""

    process: asyncio.subprocess.Process
    role: str

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.communicate()


@asynccontextmanager
async def started(role: str, directory: Path) -> AsyncIterator[Program]:
    """Start a process in a role and wait until it is at work."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        role,
        str(directory),
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    program = Program(process, role)
    try:
        assert await program.line() == "ready"
        yield program
    finally:
        await program.kill()


async def test_what_one_process_sends_another_that_waits_receives(tmp_path: Path) -> None:
    async with started("receive one", tmp_path) as program, open_events(tmp_path / "queue.db") as events:
        await events.send(envelope(1))
        assert await program.line() == "1"
        assert await program.process.wait() == 0
        assert await events.depth() == 0


async def test_a_lease_of_one_process_holds_in_another(tmp_path: Path) -> None:
    async with open_events(tmp_path / "queue.db") as one, open_events(tmp_path / "queue.db") as other:
        await one.send(envelope(0))
        await one.send(envelope(GROUPS))
        lease = await received(one)
        assert await other.receive(0) is None
        await lease.ack()
        assert (await received(other)).item == envelope(GROUPS)


async def test_what_was_sent_outlives_a_kill(tmp_path: Path) -> None:
    async with started("send", tmp_path) as program:
        sent = int(await program.line())
        await program.kill()
    async with open_events(tmp_path / "queue.db") as events:
        assert await events.depth() > sent


async def test_what_a_killed_process_held_comes_again(tmp_path: Path) -> None:
    async with open_events(tmp_path / "queue.db") as events:
        await events.send(envelope(1))
        async with started("hold one", tmp_path) as program:
            assert await program.line() == "1"
            await program.kill()
        lease = await received(events)
        assert (lease.item, lease.failures, lease.receives) == (envelope(1), 0, 2)


async def test_kills_lose_nothing_double_nothing_and_keep_the_order(tmp_path: Path) -> None:
    """Kill senders and workers at random; then every message was handled, acknowledged once, in its group's order."""
    chance = random.Random(1)
    async with AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(started(role, tmp_path)) for role in ["send", *(["work"] * WORKERS)]]
        kills = 0
        while kills < KILLS or not was_hit_at_work(tmp_path):
            await asyncio.sleep(chance.uniform(0, 0.1))
            victim = chance.randrange(len(crowd))
            await crowd[victim].kill()
            crowd[victim] = await stack.enter_async_context(started(crowd[victim].role, tmp_path))
            kills += 1
        (tmp_path / "enough").touch()
        sent = await until_all_are_sent(crowd[0])
        await until_empty(tmp_path)
    check(tmp_path, sent)


def was_hit_at_work(directory: Path) -> bool:
    """Say whether a message had to be handled again, because its worker was killed."""
    handled, _ = read_log(directory)
    return len(handled) > len({number for number, _ in handled})


async def until_all_are_sent(sender: Program) -> int:
    """Return how many were sent."""
    sent = 0
    while line := await sender.line():
        sent = int(line) + 1
    assert await sender.process.wait() == 0
    return sent


async def until_empty(directory: Path) -> None:
    async with open_events(directory / "queue.db") as events:
        while await events.depth():  # noqa: ASYNC110 - other processes empty it, there is no event to await
            await asyncio.sleep(0.02)


def check(directory: Path, sent: int) -> None:
    handled, acknowledged = read_log(directory)
    numbers = {number for number, _ in handled}
    assert numbers == set(range(sent))
    assert len({number for number, _ in acknowledged}) == len(acknowledged)
    # one that was killed between its acknowledgement and its line is missing here: the rest still tells the order
    order: defaultdict[int, list[int]] = defaultdict(list)
    for number, receipt in handled:
        if (number, receipt) in acknowledged:
            order[number % GROUPS].append(number)
    assert order == {group: sorted(numbers) for group, numbers in order.items()}
    with closing(sqlite3.connect(directory / "queue.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM lanes").fetchone() == (0,)


def read_log(directory: Path) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Return what was handled and what was acknowledged: number and receipt, in the order of time."""
    lines: dict[str, list[tuple[int, str]]] = {"handled": [], "acknowledged": []}
    for line in (directory / "log").read_text().splitlines():
        what, number, receipt = line.split()
        lines[what].append((int(number), receipt))
    return lines["handled"], lines["acknowledged"]


async def received(events: EventQueue) -> Lease[Envelope]:
    lease = await events.receive(60)
    assert lease is not None
    return lease


# The program


async def receive_one(directory: Path) -> None:
    async with open_events(directory / "queue.db") as events:
        say("ready")
        lease = await received(events)
        await lease.ack()
        say(lease.item.id)


async def hold_one(directory: Path) -> None:
    async with open_events(directory / "queue.db") as events:
        say("ready")
        say((await received(events)).item.id)
        await asyncio.Event().wait()


async def send(directory: Path) -> None:
    """Send until it is enough; after a kill again from the first, since nobody knows which was the last."""
    async with open_events(directory / "queue.db") as events:
        say("ready")
        for number in count():
            if number >= MESSAGES and (directory / "enough").exists():
                return
            if await events.send(envelope(number)):
                await asyncio.sleep(0.005)
            say(str(number))


async def work(directory: Path) -> None:
    """Handle what comes: a line before the acknowledgement and a line after it."""
    log = os.open(directory / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    async with open_events(directory / "queue.db") as events:
        say("ready")
        while True:
            lease = await received(events)
            line = f"{lease.item.id} {os.getpid()}-{lease.receives}\n"
            os.write(log, f"handled {line}".encode())
            await asyncio.sleep(0.01)
            try:
                await lease.ack()
            except LeaseLost:
                continue
            os.write(log, f"acknowledged {line}".encode())


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(role: str, directory: str) -> None:
    roles = {"receive one": receive_one, "hold one": hold_one, "send": send, "work": work}
    asyncio.run(roles[role](Path(directory)))


if __name__ == "__main__":
    main(*sys.argv[1:])
