"""The heartbeat of a run: it keeps job and run alive, and hears what the run must do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum, auto
from functools import partial

from app.domain.grants import Order, Progress, Stop
from app.domain.jobs import Job
from app.log import log
from app.ports import Clock, Lease, LeaseLost, Runs
from runner.inbox import Inbox


class Verdict(IntEnum):
    """Why a run must stop; a later one overrules those before it. LEAVING: another runner is to go on with it."""

    LEAVING = auto()
    PAUSED = auto()
    KEPT = auto()
    CANCELLED = auto()
    NOT_CURRENT = auto()


VERDICTS: Mapping[Stop, Verdict] = {
    Stop.TURN: Verdict.PAUSED,
    Stop.KEEP: Verdict.KEPT,
    Stop.DROP: Verdict.CANCELLED,
}


async def _no_look() -> None:
    return


@dataclass(slots=True)
class Pulse:
    """What the heart has heard, and what the run says of itself.

    `step` is what it does, `spent` tells its cost so far. `pausing` is set with any verdict, `stopped` with those that
    do not wait for the end of the agent's turn. `look` beats once more, now.
    """

    step: str = "preparing"
    verdict: Verdict | None = None
    inbox: Inbox = field(default_factory=Inbox)
    spent: Callable[[], Decimal | None] = lambda: None
    look: Callable[[], Awaitable[None]] = _no_look
    pausing: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    beating: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_over(self) -> bool:
        """Say whether nothing of the run counts any more."""
        return self.verdict is not None and self.verdict >= Verdict.CANCELLED

    @property
    def progress(self) -> Progress:
        return Progress(step=self.step, delivered=tuple(self.inbox.delivered), spent=self.spent())

    def stop(self, verdict: Verdict) -> None:
        """Remember the verdict that overrules the others, and wake who waits for it."""
        self.verdict = max(verdict, self.verdict or verdict)
        self.pausing.set()
        if self.verdict > Verdict.PAUSED:
            self.stopped.set()

    def leave(self) -> None:
        """End the agent now, for the runner itself ends; what people said of the run still counts."""
        self.stop(Verdict.LEAVING)
        self.stopped.set()

    def obey(self, order: Order) -> None:
        """Take in what the run must do."""
        if not order.current:
            self.stop(Verdict.NOT_CURRENT)
        elif order.stop is not None:
            self.stop(VERDICTS[order.stop])
        self.inbox.put(order.inbox)


@dataclass(frozen=True, slots=True)
class Heart:
    """Beats every `every` seconds and holds the job's message for `hold` more."""

    runs: Runs
    clock: Clock
    every: float
    hold: float

    @asynccontextmanager
    async def beating(self, run_id: str, job: Job, lease: Lease[Job]) -> AsyncIterator[Pulse]:
        """Beat for as long as the context lasts."""
        pulse = Pulse()
        pulse.look = partial(self._beat, run_id, job, lease, pulse)
        task = asyncio.create_task(self._go_on(pulse), name=f"heart of run {run_id}")
        try:
            yield pulse
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _go_on(self, pulse: Pulse) -> None:
        """Beat until nothing counts any more: what is kept takes its time to be pushed."""
        while not pulse.is_over:
            await pulse.look()
            await self.clock.sleep(self.every)

    async def _beat(self, run_id: str, job: Job, lease: Lease[Job], pulse: Pulse) -> None:
        try:
            async with pulse.beating:  # an order must not be overtaken by one that was given before it
                await lease.extend(self.hold)
                pulse.obey(await self.runs.beat(run_id, job, pulse.progress))
        except LeaseLost:
            pulse.stop(Verdict.NOT_CURRENT)
        except Exception as error:  # a heart that stops at an error would leave the agent running for nothing
            log().warning("a beat was missed", run=run_id, reason=f"{type(error).__name__}: {error}")
