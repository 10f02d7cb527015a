"""Real queues and store in a directory, and values to put on them: the stage of the tests of the core."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.briefing import Briefing
from app.budgets import Budgets
from app.config_files import ConfigFiles
from app.domain.facts import Identity
from app.domain.names import Repository, TaskRef, digest_of
from app.domain.policy import Policy
from app.domain.record import TaskRecord
from app.domain.task import Status
from app.leases import Leases
from app.ports import GitHub
from app.records import Records
from app.runs import LocalRuns
from app.standings import Standings
from infra.local.artifacts import DiskArtifacts
from infra.sqlite.database import Database
from infra.sqlite.events import SqliteEventQueue
from infra.sqlite.jobs import SqliteJobQueue
from infra.sqlite.migrations import QUEUE, STORE
from infra.sqlite.store import SqliteStore
from tests.contract.conftest import ManualClock

LEASE = 30.0
MAX_FAILURES = 3
NOW = datetime(2026, 1, 1, tzinfo=UTC)
REPOSITORY = Repository(id=7, installation_id=3, owner="acme", name="widgets")
TASK = TaskRef(repository=REPOSITORY, number=5)
IDENTITY = Identity(app_id=1, slug="orch", bot_id=99, bot_login="orch[bot]")


@dataclass(frozen=True, slots=True)
class Stage:
    """What a process of Orch has on its own machine. The clock stands still until it is moved."""

    clock: ManualClock
    events: SqliteEventQueue
    jobs: SqliteJobQueue
    store: SqliteStore
    artifacts: DiskArtifacts


@asynccontextmanager
async def open_stage(folder: Path) -> AsyncIterator[Stage]:
    clock = ManualClock()
    limits: dict[str, Any] = {"lease_seconds": LEASE, "max_failures": MAX_FAILURES}
    async with (
        await Database.open(folder / "queue.db", QUEUE, durable=True) as queue,
        await Database.open(folder / "store.db", STORE, durable=False) as documents,
    ):
        yield Stage(
            clock,
            SqliteEventQueue(queue, clock, **limits),
            SqliteJobQueue(queue, clock, **limits),
            SqliteStore(documents, clock),
            DiskArtifacts(folder / "artifacts"),
        )


def runs_port(stage: Stage, github: GitHub, policy: Policy) -> LocalRuns:
    """Make the Runs port over what is on the stage."""
    records = Records(stage.store)
    configs = ConfigFiles(records, github, policy.agents)
    return LocalRuns(
        records=records,
        leases=Leases(stage.store),
        events=stage.events,
        artifacts=stage.artifacts,
        github=github,
        clock=stage.clock,
        identity=IDENTITY,
        policy=policy,
        configs=configs,
        briefing=Briefing(github, stage.artifacts, Standings(github, stage.clock), IDENTITY),
        budgets=Budgets(records, stage.clock),
        web_url="http://127.0.0.1:9",
    )


def task_record(**changes: Any) -> TaskRecord:
    """Make a task that waits for its first run."""
    values: dict[str, Any] = {
        "task": TASK,
        "title": "Add hello",
        "status": Status.ROUTED,
        "why": "It waits.",
        "agent": "script",
        "requested_by": "writer",
        "requested_by_id": 11,
        "admitted": digest_of("Add hello", "please"),
        "branch": "orch/5-add-hello",
        "created_at": NOW,
    }
    return TaskRecord(**(values | changes))
