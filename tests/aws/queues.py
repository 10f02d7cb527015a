"""What the tests of the queues over SQS share."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.domain.envelope import Envelope, Source
from app.domain.jobs import Job, run_job
from app.domain.names import Repository, TaskRef
from infra.aws.clients import Clients
from infra.aws.events import SqsEventQueue
from infra.aws.jobs import SqsJobQueue
from infra.aws.objects import Objects
from infra.aws.store import DynamoStore
from tests.aws.stack import REGION, Stack, StackClock, make_bucket, make_queue, make_table, unique

LEASE_SECONDS = 30.0
REPOSITORY = Repository(id=1, installation_id=2, owner="octo", name="demo")


@dataclass(slots=True)
class Place:
    """Queues, table and bucket of one test."""

    stack: Stack
    clients: Clients
    bucket: str
    table: str
    events_address: str
    jobs_address: str

    def events(self, clients: Clients | None = None) -> SqsEventQueue:
        """Open the events queue as another process would."""
        clients, clock = clients or self.clients, StackClock(self.stack)
        store = DynamoStore(clients, self.table, clock)
        terms = {"lease_seconds": LEASE_SECONDS, "max_failures": 3, "poll_seconds": 1}
        return SqsEventQueue(clients, self.events_address, self.bucket, store, clock, **terms)  # type: ignore[arg-type]

    def jobs(self, clients: Clients | None = None) -> SqsJobQueue:
        """Open the jobs queue as another process would."""
        terms = {"lease_seconds": LEASE_SECONDS, "max_failures": 3, "poll_seconds": 1}
        clock = StackClock(self.stack)
        return SqsJobQueue(clients or self.clients, self.jobs_address, self.bucket, clock, **terms)  # type: ignore[arg-type]

    async def keys(self, prefix: str) -> list[str]:
        """List objects in the bucket."""
        return await Objects(self.clients, self.bucket).keys(prefix)

    async def forget(self, prefix: str) -> None:
        """Delete objects in the bucket."""
        for key in await self.keys(prefix):
            await Objects(self.clients, self.bucket).delete(key)

    async def received(self, address: str) -> dict[str, Any]:
        """Receive a message as AWS says it."""
        names = ["All"]
        answer = await self.clients.call(
            "sqs", "receive_message", QueueUrl=address, MessageSystemAttributeNames=names, VisibilityTimeout=30
        )
        message: dict[str, Any] = answer["Messages"][0]
        return message


@asynccontextmanager
async def new_place(stack: Stack, clients: Clients) -> AsyncIterator[Place]:
    """Make all that the queues need."""
    events = await make_queue(clients, unique("events") + ".fifo")
    jobs = await make_queue(clients, unique("jobs"))
    yield Place(stack, clients, await make_bucket(clients), await make_table(clients), events, jobs)


def clients_at(endpoint: str) -> Clients:
    """Make clients that reach AWS at another address."""
    return Clients(region=REGION, endpoint=endpoint)


def record_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """Spell a message as the event of a Lambda function does."""
    return {name[:1].lower() + name[1:]: value for name, value in message.items()}


def envelope(name: str = "a", group: str = "repository:1/1", **more: Any) -> Envelope:
    """Make an envelope."""
    fields: dict[str, Any] = {"body": b"{}", "received_at": datetime(2026, 1, 1, tzinfo=UTC), **more}
    return Envelope(id=name, group=group, source=Source.GITHUB, name="issues", **fields)


def job(number: int = 1) -> Job:
    """Make a job."""
    return run_job(TaskRef(repository=REPOSITORY, number=number), attempt=1)
