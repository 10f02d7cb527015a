"""The jobs queue over SQS. A runner uses it with nothing but the queue, `jobs/` and `dead/jobs/`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field, ValidationError

from app.domain.base import Value
from app.domain.jobs import DeadJob, Job
from app.ports import Backlog, Clock
from infra.aws.clients import Clients
from infra.aws.dead import Dead, DeadLetters
from infra.aws.marks import REFRESH, Marks
from infra.aws.sqs import POLL_SECONDS, Held, SqsQueue

LONGEST_DELAY = 900
"""SQS delays a new message by 15 minutes at most."""


class Posted(Value):
    """What a message holds: a job, and what earlier messages of it knew."""

    job: Job
    failures: int = Field(default=0, ge=0)
    receives: int = Field(default=0, ge=0)


class SqsJobQueue:
    """Implement `app.ports.JobQueue` over a standard queue.

    That a job is present is known by its mark in the bucket. Where a mark is lost, or nobody refreshed it for an hour,
    a job may be there twice; it is begun once, since whoever begins it asks first.
    """

    def __init__(
        self,
        clients: Clients,
        address: str,
        bucket: str,
        clock: Clock,
        *,
        lease_seconds: float,
        max_failures: int,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self.sqs = SqsQueue(clients, address, clock, lease_seconds, poll_seconds)
        self.marks = Marks(clients, bucket, clock)
        self.dead = DeadLetters(clients, bucket, "jobs")
        self.max_failures = max_failures

    async def send(self, job: Job) -> bool:
        """Enqueue durably before returning; False if a job of that id waits or is in flight."""
        return await self._send(job.id, Posted(job=job).model_dump_json())

    async def receive(self, wait: float) -> "SqsJobLease | None":
        return await self.sqs.receive(wait, self._open)

    async def dead_letters(self) -> Sequence[DeadJob]:
        return [_dead_job(dead) for dead in await self.dead.all()]

    async def redrive(self, job_id: str) -> bool:
        found = await self.dead.of(job_id)
        for dead in found:
            await self._send(dead.id, dead.body.decode())
            await self.dead.remove(dead)
        return bool(found)

    async def depth(self) -> int:
        return await self.sqs.depth()

    async def backlog(self) -> Backlog:
        """Count as SQS does: what was released for later is in flight."""
        return await self.sqs.counts()

    def stop(self) -> None:
        self.sqs.stop()

    async def put_back(self, posted: Posted, delay: float) -> None:
        """Send a job again that is about to be taken off."""
        seconds = min(math.ceil(delay), LONGEST_DELAY)
        await self.sqs.call("send_message", MessageBody=posted.model_dump_json(), DelaySeconds=seconds)

    async def _send(self, job_id: str, text: str) -> bool:
        if await self.marks.stands(job_id):
            return False
        announced = await self.marks.announce(job_id)
        await self.sqs.call("send_message", MessageBody=text)
        await self.marks.confirm(job_id, announced)
        return True

    async def _open(self, held: Held) -> "SqsJobLease | None":
        """Make the lease; what cannot be read is set aside."""
        message = held.message
        try:
            posted = Posted.model_validate_json(message.text)
        except ValidationError as error:
            await held.hold()
            reason, died_at = f"Unreadable: {error}", self.sqs.clock.now()
            await self.dead.keep(Dead(message.id, message.id, message.text.encode(), reason, 0, died_at))
            await held.delete()
            return None
        return SqsJobLease(posted, held, self, message.sent_at)


@dataclass(slots=True)
class SqsJobLease:
    """Implement `app.ports.Lease`. `marked_at` is when the job's mark was written last, as far as is known."""

    posted: Posted
    held: Held
    queue: SqsJobQueue
    marked_at: float

    @property
    def item(self) -> Job:
        return self.posted.job

    @property
    def failures(self) -> int:
        return self.posted.failures

    @property
    def receives(self) -> int:
        return self.posted.receives + self.held.message.receives

    async def extend(self, seconds: float) -> None:
        await self.held.hold(seconds)
        now = self.queue.sqs.clock.now().timestamp()
        if now - self.marked_at >= REFRESH and await self.queue.marks.refresh(self.item.id):
            self.marked_at = now

    async def ack(self) -> None:
        await self._remove()

    async def release(self, delay: float = 0) -> None:
        await self.held.give_back(delay)

    async def fail(self, reason: str, delay: float = 0) -> bool:
        failures = self.failures + 1
        if failures >= self.queue.max_failures:
            await self._bury(reason, failures)
            return True
        await self.held.hold()  # only who holds it counts
        await self.queue.marks.refresh(self.item.id)
        await self.queue.put_back(Posted(job=self.item, failures=failures, receives=self.receives), delay)
        await self.held.delete()
        return False

    async def bury(self, reason: str) -> None:
        await self._bury(reason, self.failures)

    async def _bury(self, reason: str, failures: int) -> None:
        await self.held.hold()  # as above
        job, died_at = self.item, self.queue.sqs.clock.now()
        body = Posted(job=job).model_dump_json().encode()
        await self.queue.dead.put(Dead(job.id, job.id, body, reason, failures, died_at))
        await self._remove()

    async def _remove(self) -> None:
        """Take the job off, its mark first: a mark without a job would keep the job from being sent again."""
        self.held.require()
        await self.queue.marks.remove(self.item.id)
        await self.held.delete()


def _dead_job(dead: Dead) -> DeadJob:
    try:
        job = Posted.model_validate_json(dead.body).job
    except ValidationError:
        job = None
    return DeadJob(id=dead.id, job=job, reason=dead.reason, failures=dead.failures, died_at=dead.died_at)
