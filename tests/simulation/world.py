"""Orch's core over GitHub in memory: the real composition, with a clock, a runner and people that a test moves."""

import hmac
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any, TypeVar

import structlog

from app.domain.grants import Grant
from app.domain.jobs import Job
from app.domain.ledger import Ledger
from app.domain.names import TaskRef, ledger_group
from app.domain.record import TaskRecord
from app.entry.parts import Core, Ports, build_core
from app.log import log
from app.records import Records
from app.settings import ServeSettings
from app.web.receive import Given, Receiver
from infra.sqlite.events import SqliteEventQueue
from infra.sqlite.jobs import SqliteJobQueue
from infra.sqlite.migrations import QUEUE, STORE
from infra.sqlite.store import SqliteStore
from tests.simulation.artifacts import MemoryArtifacts
from tests.simulation.clock import SimulatedClock
from tests.simulation.database import InlineDatabase
from tests.simulation.gate import ASKS, Crash, Gate
from tests.simulation.github import MemoryGitHub
from tests.simulation.issues import REPOSITORY
from tests.simulation.people import People
from tests.simulation.rows import Hook
from tests.simulation.runner import JOB_LEASE, Ending, Script, ScriptedRunner, deliver

SECRET = b"a webhook secret"
MOST_STEPS = 100_000
A_DAY = 86_400.0
TICK = 0.002
"""Seconds that a step of Orch takes."""


class World(People):
    """One repository, one Orch. What people do takes effect at once; Orch does nothing but in `settle` and `sweep`.

    `script` says how runs end, and `endings` how those of an issue do, attempt by attempt. `merges_after` is for how
    many seconds a pull request is open until a person merges it (None: nobody does). If `shuffled`, webhooks come in
    any order, and so does what Orch does in different groups.
    """

    def __init__(self, seed: int, settings: ServeSettings) -> None:
        self.chance = random.Random(seed)
        random.seed(seed)  # the jitter of the back-off
        self.settings = settings
        super().__init__(SimulatedClock(), self.chance)
        self.counts: Counter[str] = Counter()
        self.script: Script = deliver
        self.endings: dict[int, Sequence[Ending]] = {}
        self.shuffled = False
        self.merges_after: float | None = None
        self.crashes = 0
        self.crash_rate = 0.0
        self._queue, self._documents = InlineDatabase(QUEUE), InlineDatabase(STORE)
        self.store = SqliteStore(self._documents, self.clock)
        limits = {"max_failures": settings.max_failures}
        self.events = SqliteEventQueue(self._queue, self.clock, lease_seconds=settings.event_lease, **limits)
        self.jobs = SqliteJobQueue(self._queue, self.clock, lease_seconds=JOB_LEASE, **limits)
        self.artifacts = MemoryArtifacts()
        self.gate = Gate(self.counts, self.chance)

    async def start(self, *, reconcile: bool = False) -> None:
        """Begin a process over what there is: as the first one, or after a crash; `reconcile` as `orch serve` does."""
        self.gate = gate = Gate(self.counts, self.chance, self.crash_rate)
        self._ports = Ports(
            events=gate.wrap("events", self.events),
            jobs=gate.wrap("jobs", self.jobs),
            store=gate.wrap("store", self.store),
            artifacts=gate.wrap("artifacts", self.artifacts),
            github=gate.wrap("github", MemoryGitHub(self.place)),
            clock=self.clock,
            stop_receiving=lambda: None,
            checks={},
        )
        self.core: Core = await build_core(self.settings, self._ports)
        self._receiver = Receiver(Given((SECRET,)), self._ports.events, self.clock)
        self.runner = ScriptedRunner(
            self._ports.jobs, self.core.runs, self.clock, self.place, self._play, self.settings.retry_base
        )
        if reconcile:
            await self.core.reconcile()

    async def restart(self, *, reconcile: bool = False) -> None:
        """Kill the process, if it lives, and start another: what was in its memory is gone, and its runs are."""
        self.gate.dead = True
        self.crashes += 1
        await self.start(reconcile=reconcile)

    def crash_at(self, step: int, *, after: bool = False) -> None:
        """Kill the process at the n-th step from now, before it has taken effect or after; `settle` raises Crash."""
        self.gate.crash_at, self.gate.after = self.gate.steps + step, after

    async def settle(self, within: float = A_DAY) -> None:
        """Let Orch work until nothing is due any more within so many seconds; raises Crash when it was killed."""
        horizon = self.clock.now().timestamp() + within
        for _ in range(MOST_STEPS):
            if await self._step():
                self.clock.advance(TICK)
                continue
            due = self._next_due()
            if due is None or due > horizon:
                return
            self.clock.reach(due)
        raise AssertionError(f"it does not settle within {MOST_STEPS} steps")

    async def survive(self, within: float = A_DAY) -> bool:
        """Settle, and start anew as often as the process is killed; say whether it was."""
        crashes = self.crashes
        while True:
            try:
                await self.settle(within)
            except Crash:
                await self.restart()
            else:
                return self.crashes > crashes

    def crash_often(self, rate: float) -> None:
        """Kill each process at that share of its steps from now on; 0 ends that."""
        self.crash_rate = self.gate.rate = rate

    async def sweep(self) -> None:
        """Look for what was missed, as Orch does every few minutes, and settle."""
        await self.core.reconcile.sweep()
        await self.settle()

    def shut(self) -> None:
        """Let go of the databases."""
        self._queue.shut()
        self._documents.shut()

    def _play(self, job: Job, grant: Grant) -> Ending:
        """Give the n-th attempt at an issue the n-th of its endings, however often it is begun; else ask the script."""
        endings = self.endings.get(job.task.number, ())
        return endings[job.attempt - 1] if job.attempt <= len(endings) else self.script(job, grant)

    async def _step(self) -> bool:
        steps = [self.runner.end, self._review, self.deliver, self._handle, self.runner.take]
        if self.shuffled:
            self.chance.shuffle(steps)
        for step in steps:
            if await step():
                return True
        return False

    async def deliver(self) -> bool:
        """Deliver a webhook: the first, or any if they are shuffled; it is on the wire until it is taken."""
        wire = self.place.wire
        if not wire:
            return False
        index = self.chance.randrange(len(wire)) if self.shuffled else 0
        answer = await self._receiver.receive(_headers(wire[index]), wire[index].body)
        assert answer.status == 202, answer
        del wire[index]
        return True

    async def _review(self) -> bool:
        """Let a person merge a pull request that has been open for long enough, if somebody does so here."""
        due = self._next_merge()
        if due is None or due > self.clock.now().timestamp():
            return False
        await self.merge(next(row.number for row in self.place.pulls.values() if row.is_open))
        return True

    def _next_merge(self) -> float | None:
        if self.merges_after is None:
            return None
        opened = (row.created.timestamp() for row in self.place.pulls.values() if row.is_open)
        return next((moment + self.merges_after for moment in opened), None)

    def _next_due(self) -> float | None:
        found = (self._queue.next_due(), self.runner.next_end(), self._next_merge())
        return min((one for one in found if one is not None), default=None)

    async def _handle(self) -> bool:
        lease = await self._ports.events.receive(0)
        if lease is None:
            return False
        await self.core.process(lease)
        return True

    # What there is to see.

    async def record(self, number: int) -> TaskRecord | None:
        """Return what Orch knows of a task."""
        return (await Records(self.store).load(TaskRef(repository=REPOSITORY, number=number).group)).task

    async def ledger(self) -> Ledger:
        group = ledger_group(REPOSITORY.installation_id)
        return (await Records(self.store).load(group)).ledger or Ledger()

    async def dead_letters(self) -> list[str]:
        """List why envelopes and jobs were set aside."""
        events, jobs = await self.events.dead_letters(), await self.jobs.dead_letters()
        return [letter.reason for letter in events] + [job.reason for job in jobs]

    def reads(self) -> int:
        """Count what Orch asked GitHub."""
        return sum(count for name, count in self.counts.items() if _is_read(name))

    def writes(self) -> int:
        """Count what Orch changed on GitHub."""
        return sum(count for name, count in self.counts.items() if name.startswith("github.") and not _is_read(name))


W = TypeVar("W", bound=World)


@asynccontextmanager
async def open_world(seed: int = 1, **settings: Any) -> AsyncIterator[World]:
    """Make a world in which Orch has just been started; `settings` are those of `ServeSettings` that differ."""
    async with begun(World(seed, settings_with(**settings))) as world:
        yield world


@asynccontextmanager
async def begun(world: W) -> AsyncIterator[W]:
    """Start Orch in a world that was just made, and let go of it in the end."""
    with _quiet():
        await world.start(reconcile=True)
        await world.settle()
        try:
            yield world
        finally:
            world.shut()


def settings_with(**settings: Any) -> ServeSettings:
    """Return the settings of a world; `settings` are those that differ."""
    return _settings(tuple(sorted(settings.items())))


@contextmanager
def _quiet() -> Iterator[None]:
    """Log errors only: the rest, written for people, costs a tenth of the time."""
    before = structlog.get_config()
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, plain],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
    )
    log.cache_clear()
    try:
        yield
    finally:
        structlog.configure(**before)
        log.cache_clear()


@cache
def _settings(given: tuple[tuple[str, Any], ...]) -> ServeSettings:
    known = {"app_id": 1, "agents": ["script"], "private_key": "a key", "webhook_secret": SECRET.decode()}
    return ServeSettings.model_validate({**known, "onboarding": False, **dict(given)})


def _is_read(name: str) -> bool:
    port, _, method = name.partition(".")
    return port == "github" and method in ASKS


def _headers(hook: Hook) -> Mapping[str, str]:
    return {
        "x-github-delivery": hook.guid,
        "x-github-event": hook.event,
        "x-hub-signature-256": "sha256=" + hmac.digest(SECRET, hook.body, "sha256").hex(),
        "content-type": "application/json",
    }
