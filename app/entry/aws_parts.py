"""Queues, store and artifacts on AWS, and runners on ECS: for Lambda functions, servers and runners alike."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from app.domain.errors import UserError
from app.entry.backends import Backend, nothing
from app.entry.supplies import Supplies
from app.ports import Clock, JobQueue, Store
from app.settings import RunnerSettings, ServeSettings, StateSettings
from infra.aws.artifacts import S3Artifacts
from infra.aws.clients import Clients
from infra.aws.events import SqsEventQueue
from infra.aws.jobs import SqsJobQueue
from infra.aws.pool import KickingJobQueue, RunnerPool
from infra.aws.runs import Function, LambdaRuns
from infra.aws.store import DynamoStore


@asynccontextmanager
async def open_aws(settings: ServeSettings, clock: Clock) -> AsyncIterator[Backend]:
    """Open all of it."""
    with open_clients() as opened:
        store = DynamoStore(opened, _named(settings, "aws_table"), clock)
        artifacts = S3Artifacts(opened, _named(settings, "aws_bucket"))
        limits = {"max_failures": settings.max_failures}
        events = event_queue(settings, opened, clock, store, lease_seconds=settings.event_lease, **limits)
        jobs = job_queue(settings, opened, clock, lease_seconds=settings.job_lease, **limits)
        pool = _pool(settings, opened, clock, jobs)

        def stop_receiving() -> None:
            events.stop()
            jobs.stop()

        yield Backend(
            events=events,
            jobs=KickingJobQueue(jobs, pool) if pool else jobs,
            store=store,
            artifacts=artifacts,
            stop_receiving=stop_receiving,
            checks={"queue": events.depth, "store": lambda: store.get("app", "check")},
            tend=pool.mend if pool else nothing,
        )


@contextmanager
def open_runner(settings: RunnerSettings, clock: Clock) -> Iterator[Supplies]:
    """Open what a runner has, which is all that its role lets it reach."""
    with open_clients() as clients:
        function = Function(clients, _named(settings, "aws_runs_function"))
        artifacts = S3Artifacts(clients, _named(settings, "aws_bucket"))
        limits = {"max_failures": settings.max_failures}
        jobs = job_queue(settings, clients, clock, lease_seconds=settings.job_lease, **limits)
        yield Supplies(jobs, LambdaRuns(function), artifacts, clock, jobs.stop)


@contextmanager
def open_aws_store(settings: StateSettings, clock: Clock) -> Iterator[DynamoStore]:
    """Open the store alone, for commands that look at it."""
    with open_clients() as clients:
        yield DynamoStore(clients, _named(settings, "aws_table"), clock)


@contextmanager
def open_aws_queues(settings: StateSettings, clock: Clock) -> Iterator[tuple[SqsEventQueue, SqsJobQueue]]:
    """Open both queues alone, for commands that look at them and receive nothing."""
    with open_clients() as clients:
        store = DynamoStore(clients, _named(settings, "aws_table"), clock)
        yield (
            event_queue(settings, clients, clock, store, lease_seconds=1, max_failures=1),
            job_queue(settings, clients, clock, lease_seconds=1, max_failures=1),
        )


@contextmanager
def open_clients() -> Iterator[Clients]:
    """Open what calls AWS; raises UserError where boto3 is not installed."""
    try:
        import boto3  # noqa: F401, PLC0415 - an extra; it is looked for before anything waits for it
    except ImportError:
        raise UserError("ORCH_BACKEND=aws needs the extra `aws`: pip install 'orch-app[aws]'") from None
    opened = Clients()
    try:
        yield opened
    finally:
        opened.close()


def event_queue(
    settings: StateSettings, clients: Clients, clock: Clock, store: Store, *, lease_seconds: float, max_failures: int
) -> SqsEventQueue:
    """Make the events queue."""
    return SqsEventQueue(
        clients,
        _named(settings, "aws_events_queue"),
        _named(settings, "aws_bucket"),
        store,
        clock,
        lease_seconds=lease_seconds,
        max_failures=max_failures,
    )


def job_queue(
    settings: StateSettings, clients: Clients, clock: Clock, *, lease_seconds: float, max_failures: int
) -> SqsJobQueue:
    """Make the jobs queue."""
    return SqsJobQueue(
        clients,
        _named(settings, "aws_jobs_queue"),
        _named(settings, "aws_bucket"),
        clock,
        lease_seconds=lease_seconds,
        max_failures=max_failures,
    )


def _pool(settings: ServeSettings, clients: Clients, clock: Clock, jobs: JobQueue) -> RunnerPool | None:
    if not settings.aws_cluster or not settings.aws_task_definition:
        return None
    return RunnerPool(
        clients,
        clock,
        cluster=settings.aws_cluster,
        task_definition=settings.aws_task_definition,
        subnets=settings.aws_subnets,
        security_groups=settings.aws_security_groups,
        public_ip=settings.aws_public_ip,
        spot=settings.aws_spot,
        max_runners=settings.aws_max_runners,
        backlog=jobs.backlog,
    )


def _named(settings: StateSettings, name: str) -> str:
    """Return a setting that a command needs, though not every kind of settings asks for it."""
    value: str | None = getattr(settings, name)
    if not value:
        raise UserError(f"ORCH_{name.upper()} must be set where ORCH_BACKEND is aws")
    return value
