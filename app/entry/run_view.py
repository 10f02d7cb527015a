"""What Orch knows of runs: for `orch run`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain.errors import UserError
from app.domain.outcomes import Outcome, RunResult
from app.domain.record import RunSummary, TaskRecord
from app.entry.amounts import Used
from app.entry.state import open_store
from app.entry.transcripts import Gathered, Tail, events_file, gather, left_ids
from app.leases import Leases, RunLease
from app.ports import Store
from app.records import Records
from app.settings import StateSettings

LISTED = 5
"""Runs that are named when a prefix fits more than one."""


@dataclass(frozen=True, slots=True)
class KnownRun:
    """What the store knows of a run; `record` is None if only its transcript is left of it."""

    run_id: str
    record: TaskRecord | None = None
    summary: RunSummary | None = None
    lease: RunLease | None = None

    @property
    def is_alive(self) -> bool:
        """Say whether a runner is at it."""
        return self.lease is not None and self.lease.result is None and self.lease.expires_at > datetime.now(UTC)

    @property
    def end(self) -> RunSummary | RunResult | None:
        return self.summary or (self.lease.result if self.lease else None)


@dataclass(frozen=True, slots=True)
class RunDetails:
    """A run for people. What is unknown, or is not (yet), is None.

    `state` is "at work"; "ended"; "given back", if its job is to be begun again; or "lost", with its runner.
    """

    run: str
    state: str
    task: str | None
    title: str | None
    attempt: int | None
    agent: str | None
    model: str | None
    outcome: Outcome | None
    reason: str | None
    step: str | None
    runner: str | None
    started_at: datetime | None
    ended_at: datetime | None
    seconds: float | None
    usage: Used
    session: str | None
    head_sha: str | None
    transcript: str | None


async def find_run(settings: StateSettings, prefix: str) -> KnownRun:
    """Return the run whose id this is, or begins so; raises UserError if that is no run, or several."""
    async with open_store(settings) as store:
        found = {run.run_id: run async for run in _known_runs(store)}
    for run_id in left_ids(settings):
        found.setdefault(run_id, KnownRun(run_id))
    fitting = [prefix] if prefix in found else sorted(run_id for run_id in found if run_id.startswith(prefix))
    if not fitting:
        raise UserError(f"no run's id is or begins with `{prefix}`; `orch usage --by run` lists those that ended")
    if len(fitting) > 1:
        more = ", ..." if len(fitting) > LISTED else ""
        raise UserError(f"{len(fitting)} runs begin with `{prefix}`: {', '.join(fitting[:LISTED])}{more}")
    return found[fitting[0]]


async def records_in(store: Store) -> list[TaskRecord]:
    """List all tasks that the store knows."""
    records = Records(store)
    return [record for name in await store.partitions("repository:") for record in await records.tasks(name)]


async def _known_runs(store: Store) -> AsyncIterator[KnownRun]:
    leases = Leases(store)
    for record in await records_in(store):
        lease, _ = await leases.get(record.group)
        if lease is not None:
            yield KnownRun(lease.run_id, record, lease=lease)
        for summary in record.runs:
            yield KnownRun(summary.run_id, record, summary)


async def show_run(settings: StateSettings, prefix: str) -> RunDetails:
    """Return all that is known of a run; what nobody else tells of is read from its transcript."""
    run = await find_run(settings, prefix)
    path, end, record = events_file(settings, run.run_id), run.end, run.record
    left = gather(Tail(path).read()) if end is None else Gathered(end.started_at, end.ended_at, end.session, end.model)
    until = datetime.now(UTC) if run.is_alive else left.last_at
    return RunDetails(
        run=run.run_id,
        state=_state(run, left),
        task=str(record.task) if record else None,
        title=record.title if record else None,
        attempt=run.summary.attempt if run.summary else record.attempt if record else None,
        agent=_agent(run),
        model=left.model or (record.model if record and end is None else None),
        outcome=end.outcome if end else None,
        reason=end.reason if end else None,
        step=run.lease.step if run.lease and run.is_alive else None,
        runner=run.lease.runner if run.lease else None,
        started_at=left.started_at,
        ended_at=end.ended_at if end else None,
        seconds=(until - left.started_at).total_seconds() if until and left.started_at else None,
        usage=Used.of(end.usage if end else left.usage),
        session=left.session,
        head_sha=end.head_sha if end else None,
        transcript=str(path) if path.exists() else None,
    )


def _agent(run: KnownRun) -> str | None:
    if run.end:
        return run.end.agent or None
    return run.record.agent if run.record else None


def _state(run: KnownRun, left: Gathered) -> str:
    if run.end:
        return "ended"
    if run.is_alive:
        return "at work"
    if not left.has_ended:
        return "lost"
    return "given back" if run.lease else "ended"
