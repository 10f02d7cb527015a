"""Queues and runs whose messages carry the trace that they belong to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.domain.envelope import DeadLetter, Envelope
from app.domain.grants import Grant, Order, Progress, Refused, RunToken, TokenKind
from app.domain.jobs import DeadJob, Job
from app.domain.outcomes import RunResult
from app.ports import Runs
from app.telemetry import carried, span
from infra.around import AroundQueue

Wrap = Callable[[str, Any], Any]


def carrying(wrap: Wrap) -> Wrap:
    """Put what lets messages carry traces around the ports that they go through, and around that `wrap`."""

    def around(name: str, part: Any) -> Any:
        wrapped = wrap(name, part)
        match name:
            case "events":
                return CarryingEvents(wrapped)
            case "jobs":
                return CarryingJobs(wrapped)
            case "runs":
                return CarryingRuns(wrapped)
            case _:
                return wrapped

    return around


class CarryingEvents(AroundQueue[Envelope, DeadLetter]):
    """Implement `app.ports.EventQueue` by another, with the trace in each envelope that has none."""

    __slots__ = ()

    async def send(self, item: Envelope) -> bool:
        trace = item.trace or carried(item.group)
        return await self.queue.send(item.model_copy(update={"trace": trace}) if trace else item)


class CarryingJobs(AroundQueue[Job, DeadJob]):
    """Implement `app.ports.JobQueue` by another, with the trace in each job that has none."""

    __slots__ = ()

    async def send(self, item: Job) -> bool:
        trace = item.trace or carried(item.task.group)
        return await self.queue.send(item.model_copy(update={"trace": trace}) if trace else item)


@dataclass(frozen=True, slots=True)
class CarryingRuns:
    """Implement `app.ports.Runs` by another: the job tells it, wherever it is, which trace it is asked in."""

    runs: Runs

    async def begin(self, job: Job, runner: str) -> Grant | Refused:
        with span("begin", trace=_remote(job)):
            return await self.runs.begin(_traced(job), runner)

    async def beat(self, run_id: str, job: Job, progress: Progress) -> Order:
        return await self.runs.beat(run_id, _traced(job), progress)

    async def token(self, run_id: str, job: Job, kind: TokenKind) -> RunToken:
        return await self.runs.token(run_id, _traced(job), kind)

    async def revoke(self, run_id: str, job: Job, token: RunToken) -> None:
        await self.runs.revoke(run_id, _traced(job), token)

    async def give_back(self, run_id: str, job: Job, kept: str | None = None) -> None:
        await self.runs.give_back(run_id, _traced(job), kept)

    async def give_up(self, job: Job, reason: str) -> None:
        with span("give up", trace=_remote(job)):
            await self.runs.give_up(_traced(job), reason)

    async def finish(self, run_id: str, job: Job, result: RunResult) -> bool:
        with span("finish", trace=_remote(job), run=run_id, outcome=result.outcome.value):
            return await self.runs.finish(run_id, _traced(job), result)


def _traced(job: Job) -> Job:
    trace = carried()
    return job.model_copy(update={"trace": trace}) if trace else job


def _remote(job: Job) -> str | None:
    """Return the trace that the job carries where this process is in none: in a function that a runner calls."""
    return None if carried() else job.trace
