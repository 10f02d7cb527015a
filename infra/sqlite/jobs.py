"""The jobs queue in SQLite."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from app.domain.jobs import DeadJob, Job
from app.ports import Backlog, Clock, Lease
from infra.sqlite.database import Database
from infra.sqlite.lanes import Dead
from infra.sqlite.queue import Queue, Terms


class SqliteJobQueue:
    """Implement `app.ports.JobQueue` in a durable database of the schema `QUEUE`, which events may share."""

    def __init__(
        self, database: Database, clock: Clock, *, lease_seconds: float, max_failures: int, poll_seconds: float = 0.1
    ) -> None:
        terms = Terms(lease_seconds, max_failures, poll=poll_seconds)
        self._queue = Queue(database, clock, "jobs", terms, Job.model_validate_json)

    async def send(self, job: Job) -> bool:
        """Enqueue durably before returning; False if a job of that id waits or is in flight."""
        return await self._queue.send(job.id, job.id, job.model_dump_json().encode())

    async def receive(self, wait: float) -> Lease[Job] | None:
        return await self._queue.receive(wait)

    async def dead_letters(self) -> Sequence[DeadJob]:
        return [_dead(each) for each in await self._queue.dead()]

    async def redrive(self, job_id: str) -> bool:
        return await self._queue.redrive(job_id)

    async def depth(self) -> int:
        return await self._queue.depth()

    async def backlog(self) -> Backlog:
        return await self._queue.backlog()

    def stop(self) -> None:
        """End the waiting of every `receive`, now and from now on; what one is just taking it still returns."""
        self._queue.stop()


def _dead(dead: Dead) -> DeadJob:
    try:
        job = Job.model_validate_json(dead.body)
    except ValidationError:
        job = None
    died_at = datetime.fromtimestamp(dead.died, UTC)
    return DeadJob(id=dead.id, job=job, reason=dead.reason, failures=dead.failures, died_at=died_at)
