"""The heartbeat of a run: it keeps job and run alive, and hears whether the run must stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto

from app.domain.grants import Progress
from app.domain.jobs import Job
from app.log import log
from app.ports import Clock, Lease, LeaseLost, Runs


class Verdict(Enum):
    """Why a run must stop."""

    CANCELLED = auto()
    NOT_CURRENT = auto()


@dataclass(slots=True)
class Pulse:
    """What the heart has heard. `step` is what the run says it does."""

    step: str = "preparing"
    verdict: Verdict | None = None
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self, verdict: Verdict) -> None:
        """Remember the first verdict and wake who waits for it."""
        if self.verdict is None:
            self.verdict = verdict
            self.stopped.set()


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
        task = asyncio.create_task(self._beat(run_id, job, lease, pulse), name=f"heart of run {run_id}")
        try:
            yield pulse
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _beat(self, run_id: str, job: Job, lease: Lease[Job], pulse: Pulse) -> None:
        while pulse.verdict is None:
            try:
                await lease.extend(self.hold)
                order = await self.runs.beat(run_id, job, Progress(step=pulse.step))
            except LeaseLost:
                pulse.stop(Verdict.NOT_CURRENT)
                return
            except Exception as error:  # a heart that stops at an error would leave the agent running for nothing
                log().warning("a beat was missed", run=run_id, reason=f"{type(error).__name__}: {error}")
            else:
                if not order.current:
                    pulse.stop(Verdict.NOT_CURRENT)
                elif order.cancelled:
                    pulse.stop(Verdict.CANCELLED)
            await self.clock.sleep(self.every)
