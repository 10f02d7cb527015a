"""A runner that is a script: it takes jobs and says how their runs end, without processes and without git."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from app.domain.errors import Retryable
from app.domain.grants import Grant, Progress, Refused
from app.domain.jobs import Job, JobKind, Purpose
from app.domain.outcomes import Outcome, RunResult, Usage
from app.ports import JobQueue, Lease, Runs
from tests.simulation.clock import SimulatedClock
from tests.simulation.code import Code

JOB_LEASE = 30.0
LEAVES_WORK = (Outcome.DELIVERED, Outcome.TIMED_OUT, Outcome.STALLED, Outcome.BUDGET_SPENT)
BY_PURPOSE = {Purpose.REVIEW: Outcome.REVIEWED}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends, and after how many seconds; `more` are further fields of its result."""

    outcome: Outcome = Outcome.DELIVERED
    seconds: float = 5
    cost: Decimal | None = Decimal("0.01")
    reason: str = "the script says so"
    text: str = "Done."
    more: Mapping[str, Any] = field(default_factory=dict)


Script = Callable[[Job, Grant], Ending]


def deliver(job: Job, grant: Grant) -> Ending:
    """End each run as well as it can."""
    return Ending(BY_PURPOSE.get(grant.purpose, Outcome.DELIVERED))


@dataclass(slots=True)
class _Running:
    job: Job
    grant: Grant
    lease: Lease[Job]
    ending: Ending
    began: datetime
    ends: datetime


@dataclass(slots=True)
class ScriptedRunner:
    """Takes all jobs there are; what runs is lost with this object, as it would be with a runner's machine."""

    jobs: JobQueue
    runs: Runs
    clock: SimulatedClock
    place: Code
    script: Script
    again: float
    running: list[_Running] = field(default_factory=list)

    async def take(self) -> bool:
        """Begin a job; False if there is none."""
        lease = await self.jobs.receive(0)
        if lease is None:
            return False
        if lease.item.kind is JobKind.CLEANUP:
            await lease.ack()
            return True
        try:
            answer = await self.runs.begin(lease.item, "the runner")
        except Retryable as error:
            await lease.release(error.delay or self.again)
            return True
        if isinstance(answer, Refused):
            await _refused(answer, lease)
        else:
            await self._begin(answer, lease)
        return True

    async def _begin(self, grant: Grant, lease: Lease[Job]) -> None:
        job, now = lease.item, self.clock.now()
        ending = self.script(job, grant)
        if ending.seconds > JOB_LEASE / 2:
            await lease.extend(ending.seconds + JOB_LEASE)
        self.place.say("run started", job.task.number)
        self.running.append(_Running(job, grant, lease, ending, now, now + timedelta(seconds=ending.seconds)))

    def next_end(self) -> float | None:
        """Return when the first run ends (Unix time); None if nothing runs."""
        return min((one.ends.timestamp() for one in self.running), default=None)

    async def end(self) -> bool:
        """End a run whose time is over; False if there is none."""
        over = [one for one in self.running if one.ends <= self.clock.now()]
        if not over:
            return False
        one = min(over, key=lambda each: each.ends)
        self.running.remove(one)
        self.place.say("run ended", one.job.task.number)
        told = tuple(each.key for each in one.grant.instructions)
        order = await self.runs.beat(one.grant.run_id, one.job, Progress(step="ends", spent=one.ending.cost))
        if order.current:
            result = self._result(one, told, Outcome.CANCELLED if order.stop else one.ending.outcome)
            await self.runs.finish(one.grant.run_id, one.job, result)
        await one.lease.ack()
        return True

    def _result(self, one: _Running, told: tuple[str, ...], outcome: Outcome) -> RunResult:
        sha = None
        if outcome in LEAVES_WORK:
            sha = self.place.push_run(one.grant.run_id, one.grant.start_sha)
        more = one.ending.more if outcome is one.ending.outcome else {}
        return RunResult(
            **{
                "outcome": outcome,
                "reason": one.ending.reason,
                "agent": one.grant.agent,
                "head_sha": sha,
                "usage": Usage(tokens_in=1000, tokens_out=100, tokens_cached=0, cost=one.ending.cost),
                "text": one.ending.text,
                "delivered": told,
                "started_at": one.began,
                "ended_at": self.clock.now(),
                **more,
            }
        )


async def _refused(refused: Refused, lease: Lease[Job]) -> None:
    if refused.again_in is None:
        await lease.ack()
    elif refused.counts:
        await lease.fail(refused.reason, refused.again_in)
    else:
        await lease.release(refused.again_in)
