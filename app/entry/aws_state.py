"""Look at Orch's state on AWS from wherever a command is given, with credentials as boto3 finds them."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.domain.errors import UserError
from app.entry.aws_parts import event_queue, job_queue, open_clients
from app.ports import Clock, EventQueue, JobQueue, Store
from app.settings import StateSettings
from infra.aws.clients import Clients
from infra.aws.store import DynamoStore
from infra.local.clock import SystemClock


@contextmanager
def open_aws_store(settings: StateSettings) -> Iterator[Store]:
    """Open the store."""
    with open_clients() as clients:
        yield _store(settings, clients, SystemClock())


@contextmanager
def open_aws_queues(
    settings: StateSettings, *, lease_seconds: float, max_failures: int
) -> Iterator[tuple[EventQueue, JobQueue]]:
    """Open both queues."""
    with open_clients() as clients:
        clock = SystemClock()
        store = _store(settings, clients, clock)
        yield (
            event_queue(settings, clients, clock, store, lease_seconds=lease_seconds, max_failures=max_failures),
            job_queue(settings, clients, clock, lease_seconds=lease_seconds, max_failures=max_failures),
        )


def _store(settings: StateSettings, clients: Clients, clock: Clock) -> Store:
    if not settings.aws_table:
        raise UserError("ORCH_AWS_TABLE must be set where ORCH_BACKEND is aws")
    return DynamoStore(clients, settings.aws_table, clock)
