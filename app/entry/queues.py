"""What lies on the queues, and what was set aside: for `orch queue`."""

from dataclasses import dataclass
from datetime import datetime

from app.domain.errors import UserError
from app.domain.jobs import DeadJob
from app.entry.state import open_queues
from app.ports import Backlog, EventQueue, JobQueue
from app.settings import StateSettings


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queue: what waits, is being handled, is due later, and was set aside."""

    queue: str
    waiting: int
    in_flight: int
    later: int
    dead: int


@dataclass(frozen=True, slots=True)
class DeadRow:
    """Something set aside. `about` is the group of an event or the task of a job; `kind` the event's or job's."""

    queue: str
    id: str
    kind: str
    about: str
    failures: int
    died_at: datetime
    reason: str

    @property
    def last_reason(self) -> str:
        """The last line of the reason, which may be a traceback."""
        return (self.reason.strip().splitlines() or [""])[-1]


@dataclass(frozen=True, slots=True)
class Redriven:
    """Something that was put back."""

    queue: str
    id: str


async def list_queues(settings: StateSettings) -> list[QueueRow]:
    """Count what lies on each queue."""
    async with open_queues(settings) as (events, jobs):
        return [
            _row("events", await events.backlog(), len(await events.dead_letters())),
            _row("jobs", await jobs.backlog(), len(await jobs.dead_letters())),
        ]


def _row(name: str, held: Backlog, dead: int) -> QueueRow:
    return QueueRow(name, held.waiting, held.in_flight, held.later, dead)


async def list_dead(settings: StateSettings) -> list[DeadRow]:
    """List what was set aside, the first to be so first."""
    async with open_queues(settings) as (events, jobs):
        return await _dead(events, jobs)


async def redrive(settings: StateSettings, dead_id: str | None) -> list[Redriven]:
    """Put back what has that id, or all; raises UserError if there is nothing of that id."""
    async with open_queues(settings) as (events, jobs):
        dead = [row for row in await _dead(events, jobs) if dead_id in (None, row.id)]
        if dead_id is not None and not dead:
            raise UserError(f"nothing with the id {dead_id} was set aside; `orch queue dlq` lists what was")
        queues: dict[str, EventQueue | JobQueue] = {"events": events, "jobs": jobs}
        names = dict.fromkeys((row.queue, row.id) for row in dead)
        return [Redriven(queue, each) for queue, each in names if await queues[queue].redrive(each)]


async def _dead(events: EventQueue, jobs: JobQueue) -> list[DeadRow]:
    rows = [
        DeadRow(
            "events",
            letter.envelope.id,
            letter.envelope.name,
            letter.envelope.group,
            letter.failures,
            letter.died_at,
            letter.reason,
        )
        for letter in await events.dead_letters()
    ]
    rows += [_dead_job(dead) for dead in await jobs.dead_letters()]
    return sorted(rows, key=lambda row: row.died_at)


def _dead_job(dead: DeadJob) -> DeadRow:
    kind, about = (dead.job.kind.value, str(dead.job.task)) if dead.job else ("unreadable", "")
    return DeadRow("jobs", dead.id, kind, about, dead.failures, dead.died_at, dead.reason)
