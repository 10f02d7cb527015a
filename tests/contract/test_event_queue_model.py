"""Any events queue against a model of it: whatever is done, in whatever order."""

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from app.domain.envelope import Envelope, Source
from app.ports import Lease, LeaseLost
from tests.contract.conftest import LEASE_SECONDS, Opener

T = TypeVar("T")
Drawn = tuple[float, int]

DEDUPE_SECONDS = 300.0
GROUPS = st.sampled_from(["g1", "g2"])
IDS = st.sampled_from(["a", "b", "c"])
DELAYS = st.sampled_from([(0.0, 0), (0.0, 1), (0.0, 10)])
TIMES = st.sampled_from(
    [
        *[(0.0, 1)] * 3,
        (0.0, 10),
        *[(seconds, steps) for seconds in (LEASE_SECONDS, DEDUPE_SECONDS) for steps in (-1, 0)],
    ]
)
"""Seconds, and how often the rig's slack more, which is the least difference of times that a queue is asked to tell."""
AGES = st.sampled_from([1, 1, 1, 2, 3])


@dataclass(eq=False)
class Entry:
    """What the model knows of a message; `due` is when it may be received, or again if it is held."""

    id: str
    due: float
    held: bool = False
    failures: int = 0
    receives: int = 0


@dataclass(frozen=True)
class Grip:
    """A lease that was granted, and for what. It may have ended since."""

    lease: Lease[Envelope]
    group: str
    entry: Entry
    receives: int


def was_granted(machine: "QueueMachine") -> bool:
    return bool(machine.grips)


class QueueMachine(RuleBasedStateMachine):
    """Do the same to the queue and to the model, and compare."""

    def __init__(self, opener: Opener) -> None:
        super().__init__()
        self.groups: dict[str, list[Entry]] = {}
        self.taken: dict[tuple[str, str], float] = {}
        self.dead: dict[tuple[str, str], tuple[str, int]] = {}
        self.grips: list[Grip] = []
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        directory = self.stack.enter_context(TemporaryDirectory())
        self.rig = self.run(self.stack.enter_async_context(opener(Path(directory))))

    @property
    def now(self) -> float:
        """The time before something is done: what is due by the model is due in the queue, however long that takes."""
        return self.rig.now().timestamp()

    def seconds(self, drawn: Drawn) -> float:
        seconds, steps = drawn
        return seconds + steps * self.rig.slack

    def run(self, doing: Awaitable[T]) -> T:
        async def do() -> T:
            return await doing

        return self.runner.run(do())

    @rule(group=GROUPS, name=IDS)
    def send(self, group: str, name: str) -> None:
        now, fresh = self.now, self.is_fresh(group, name)
        assert self.run(self.rig.events.send(envelope(group, name))) is (fresh or not self.rig.remembers)
        if fresh:
            self.append(group, name, now)
            self.taken[group, name] = now + DEDUPE_SECONDS

    @rule()
    def receive(self) -> None:
        now, available = self.now, self.available()
        lease = self.run(self.rig.events.receive(0))
        if lease is None:
            assert available == {}
            return
        entry = available[lease.item.group]
        assert lease.item == envelope(lease.item.group, entry.id)
        entry.held, entry.due = True, now + self.rig.lease_seconds
        entry.receives += 1
        assert (lease.failures, lease.receives) == (entry.failures, entry.receives)
        self.grips.append(Grip(lease, lease.item.group, entry, entry.receives))

    @precondition(was_granted)
    @rule(age=AGES)
    def ack(self, age: int) -> None:
        grip = self.grip(age)
        if self.use(grip, grip.lease.ack()):
            self.groups[grip.group].pop(0)

    @precondition(was_granted)
    @rule(age=AGES, delay=DELAYS)
    def release(self, age: int, delay: Drawn) -> None:
        now, grip = self.now, self.grip(age)
        if self.use(grip, grip.lease.release(self.seconds(delay))):
            grip.entry.held, grip.entry.due = False, now + self.seconds(delay)

    @precondition(was_granted)
    @rule(age=AGES, seconds=TIMES)
    def extend(self, age: int, seconds: Drawn) -> None:
        now, grip = self.now, self.grip(age)
        if self.use(grip, grip.lease.extend(self.seconds(seconds))):
            grip.entry.due = now + self.seconds(seconds)

    @precondition(was_granted)
    @rule(age=AGES, delay=DELAYS)
    def fail(self, age: int, delay: Drawn) -> None:
        now, grip = self.now, self.grip(age)
        if not self.use(grip, grip.lease.fail("failed", self.seconds(delay))):
            return
        grip.entry.failures += 1
        grip.entry.held, grip.entry.due = False, now + self.seconds(delay)
        if grip.entry.failures == self.rig.max_failures:
            self.set_aside(grip, "failed")

    @precondition(was_granted)
    @rule(age=AGES)
    def bury(self, age: int) -> None:
        grip = self.grip(age)
        if self.use(grip, grip.lease.bury("buried")):
            self.set_aside(grip, "buried")

    @rule(name=IDS)
    def redrive(self, name: str) -> None:
        now = self.now
        found = [identity for identity in self.dead if identity[1] == name]
        assert self.run(self.rig.events.redrive(name)) == bool(found)
        for group, _ in found:
            del self.dead[group, name]
            if not self.rig.remembers:
                self.append(group, name, now)
            elif not self.lies_there(group, name):
                self.append(group, name, now)
                self.taken[group, name] = now + DEDUPE_SECONDS

    @rule(seconds=TIMES)
    def pass_time(self, seconds: Drawn) -> None:
        self.run(self.rig.pass_time(self.seconds(seconds)))

    @rule()
    def count(self) -> None:
        assert self.run(self.rig.events.depth()) == sum(map(len, self.groups.values()))
        letters = self.run(self.rig.events.dead_letters())
        found = {(letter.envelope.group, letter.envelope.id): (letter.reason, letter.failures) for letter in letters}
        assert (found, len(letters)) == (self.dead, len(self.dead))

    def teardown(self) -> None:
        try:
            self.drain()
        finally:
            self.run(self.stack.aclose())
            self.runner.close()

    def drain(self) -> None:
        """Nothing is lost and nothing is out of order: all that the model still has comes, group by group."""
        self.count()
        self.run(self.rig.pass_time(1000))
        received: dict[str, list[str]] = {}
        while lease := self.run(self.rig.events.receive(0)):
            received.setdefault(lease.item.group, []).append(lease.item.id)
            self.run(lease.ack())
        assert received == {group: [entry.id for entry in entries] for group, entries in self.groups.items() if entries}

    def grip(self, age: int) -> Grip:
        """Return one of the last leases granted."""
        return self.grips[-min(age, len(self.grips))]

    def use(self, grip: Grip, action: Awaitable[object]) -> bool:
        """Do it with the lease; return whether the lease still held."""
        entry = grip.entry
        first = self.groups[grip.group][:1]
        if first == [entry] and entry.held and entry.receives == grip.receives and entry.due > self.now:
            self.run(action)
            return True
        with pytest.raises(LeaseLost):
            self.run(action)
        return False

    def available(self) -> dict[str, Entry]:
        heads = {group: entries[0] for group, entries in self.groups.items() if entries}
        return {group: entry for group, entry in heads.items() if entry.due <= self.now}

    def is_fresh(self, group: str, name: str) -> bool:
        if self.taken.get((group, name), 0) > self.now:
            return False
        return not (self.rig.remembers and self.lies_there(group, name))

    def lies_there(self, group: str, name: str) -> bool:
        return any(entry.id == name for entry in self.groups.get(group, ()))

    def append(self, group: str, name: str, now: float) -> None:
        self.groups.setdefault(group, []).append(Entry(name, now))

    def set_aside(self, grip: Grip, reason: str) -> None:
        entry = self.groups[grip.group].pop(0)
        self.dead[grip.group, entry.id] = (reason, entry.failures)
        if self.rig.remembers:
            del self.taken[grip.group, entry.id]


def envelope(group: str, name: str) -> Envelope:
    received_at = datetime(2026, 1, 1, tzinfo=UTC)
    return Envelope(id=name, group=group, source=Source.ORCH, name="tick", body=b"{}", received_at=received_at)


def test_the_queue_does_what_the_model_does(opener: Opener, tmp_path: Path) -> None:
    exact = asyncio.run(is_exact(opener, tmp_path))

    class Machine(QueueMachine):
        def __init__(self) -> None:
            super().__init__(opener)

    few = settings(max_examples=80 if exact else 8, stateful_step_count=50, deadline=None, derandomize=True)
    limits = settings(few, database=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Machine, settings=limits)


async def is_exact(opener: Opener, directory: Path) -> bool:
    """Tell whether time passes only when it is told to: where it does not, each step takes some of it."""
    async with opener(directory) as rig:
        return rig.exact
