"""What Orch knows of tasks: for `orch task`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain.admission import Board
from app.domain.blocked import acts_next
from app.domain.errors import UserError
from app.domain.names import ADMISSION
from app.domain.record import RunSummary, TaskRecord
from app.domain.task import Status
from app.entry.state import has_queues, open_queues, open_store
from app.leases import Leases, RunLease
from app.ports import Store
from app.records import Pending, Records
from app.settings import StateSettings

TASK = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)#(?P<number>[1-9][0-9]{0,17})", re.ASCII)
SHOWN = 5
"""Decisions and runs that `orch task why` tells of."""


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task in a listing. `cost` is in US dollars as text, None if unknown."""

    task: str
    status: str
    attempt: int
    agent: str
    model: str | None
    pull_request: int | None
    branch: str
    title: str
    why: str
    requested_by: str
    runs: int
    cost: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of a task: its record, the run that is or was current, what is still to be done, and why."""

    record: TaskRecord
    lease: RunLease | None
    pending: Sequence[Pending]
    decisions: Sequence[tuple[datetime, str]]
    slot: str
    dead: int


def parse_task(text: str) -> tuple[str, int]:
    """Return repository and number of `owner/repo#number`; raises UserError."""
    found = TASK.fullmatch(text)
    if found is None:
        raise UserError(f"`{text}` is no task: write owner/repo#number, as in acme/widgets#12")
    return found["repository"].lower(), int(found["number"])


async def list_tasks(settings: StateSettings, status: str | None, repository: str | None) -> list[TaskRow]:
    """List the tasks that the store knows, by repository and number."""
    if status is not None and status not in list(Status):
        raise UserError(f"`{status}` is no status; one of: {', '.join(Status)}")
    async with open_store(settings) as store:
        records = await _all(store)
    return [
        _row(record)
        for record in sorted(records, key=lambda record: (record.task.repository.full_name, record.task.number))
        if status in (None, record.status)
        and (repository is None or repository.lower() == record.task.repository.full_name.lower())
    ]


async def find_task(settings: StateSettings, text: str) -> Known:
    """Return what is known of the task; raises UserError if that is nothing."""
    repository, number = parse_task(text)
    async with open_store(settings) as store:
        for record in await _all(store):
            if (record.task.repository.full_name.lower(), record.task.number) == (repository, number):
                return await _known(settings, store, record)
    raise UserError(f"the store has no task {text}; `orch task list` lists all, `orch rebuild` reads one from GitHub")


async def _all(store: Store) -> list[TaskRecord]:
    records = Records(store)
    return [record for name in await store.partitions("repository:") for record in await records.tasks(name)]


async def _known(settings: StateSettings, store: Store, record: TaskRecord) -> Known:
    records, group = Records(store), record.group
    lease, _ = await Leases(store).get(group)
    board = (await records.load(ADMISSION)).board
    slot = _slot(board, record) if board else ""
    dead = 0
    if has_queues(settings):
        async with open_queues(settings) as (events, _):
            dead = sum(1 for letter in await events.dead_letters() if letter.envelope.group == group)
    return Known(record, lease, await records.outbox(group), await records.decisions(group), slot, dead)


def _slot(board: Board, record: TaskRecord) -> str:
    """Say what a job that waits is waiting for."""
    line = board.line(record.task.repository)
    one = line.find(record.job_id or "")
    if one is None:
        return ""
    stopped = next(
        (f" and for `{path}`, which #{holder} holds" for two, holder, path in line.stopped() if two is one), ""
    )
    until = board.parked.get(one.agent)
    parked = f" {one.agent} gets none before {datetime.fromtimestamp(until, UTC).isoformat()}." if until else ""
    return f"It waits for a slot{stopped}: {board.waits} wait, {len(board.holding)} have one.{parked}"


def _row(record: TaskRecord) -> TaskRow:
    return TaskRow(
        task=str(record.task),
        status=record.status.value,
        attempt=record.attempt,
        agent=record.agent,
        model=record.model,
        pull_request=record.pull,
        branch=record.branch,
        title=record.title,
        why=record.why,
        requested_by=record.requested_by,
        runs=record.folded.runs + len(record.runs),
        cost=None if record.cost is None else str(record.cost),
        created_at=record.created_at,
    )


@dataclass(frozen=True, slots=True)
class TaskDetails:
    """A task with its runs, the run that is or was current, what is still to be done, and the last decisions."""

    task: str
    title: str
    status: str
    why: str
    notice: str
    acts_next: str
    attempt: int
    agent: str
    model: str | None
    requested_by: str
    branch: str
    head_sha: str | None
    pull_request: int | None
    cost: str | None
    created_at: datetime
    current_run: str | None
    past_runs: tuple[str, ...]
    to_be_done: tuple[str, ...]
    decisions: tuple[str, ...]


def detail(known: Known) -> TaskDetails:
    """Return a task's details."""
    record = known.record
    return TaskDetails(
        task=str(record.task),
        title=record.title,
        status=record.status.value,
        why=record.why,
        notice=record.notice,
        acts_next=acts_next(record),
        attempt=record.attempt,
        agent=record.agent,
        model=record.model,
        requested_by=record.requested_by,
        branch=record.branch,
        head_sha=record.head_sha,
        pull_request=record.pull,
        cost=None if record.cost is None else str(record.cost),
        created_at=record.created_at,
        current_run=_current(known.lease),
        past_runs=tuple(_past(run) for run in record.runs),
        to_be_done=tuple(pending.effect.type for pending in known.pending),
        decisions=tuple(f"{at.isoformat()} {why}" for at, why in known.decisions),
    )


def explain(known: Known) -> str:
    """Say in one paragraph where a task stands, why, who acts next, and what was tried."""
    record = known.record
    said = [
        f"{record.task}, “{record.title}”, is {record.status.value}: {_sentence(record.why)}",
        record.notice,
        f"Next acts: {acts_next(record)}.",
        f"It is attempt {record.attempt} with agent {record.agent}, asked for by {record.requested_by}.",
        known.slot,
        f"Run {_current(known.lease)}." if _current(known.lease) else "",
        _tried(record),
        f"Still to be done on GitHub: {', '.join(each.effect.type for each in known.pending)}."
        if known.pending
        else "",
        f"Deliveries set aside: {known.dead}, see `orch queue dlq`." if known.dead else "",
        _decided(known.decisions),
    ]
    return " ".join(part for part in said if part)


def _tried(record: TaskRecord) -> str:
    if not record.runs:
        return "No run has ended yet."
    runs = "; ".join(_past(run) for run in record.runs[-SHOWN:])
    return f"Tried so far: {_sentence(runs)}"


def _past(run: RunSummary) -> str:
    seconds = (run.ended_at - run.started_at).total_seconds()
    return f"attempt {run.attempt} {run.outcome.value} after {seconds:.0f} s ({run.reason})"


def _current(lease: RunLease | None) -> str | None:
    """Describe the run that has not ended; None if there is none."""
    if lease is None or lease.result is not None:
        return None
    left = (lease.expires_at - datetime.now(UTC)).total_seconds()
    heard = "is alive" if left > 0 else f"is not alive since {-left:.0f} s, and its job is for the next runner"
    return f"{lease.run_id} at {lease.runner} {heard}{f', step: {lease.step}' if lease.step else ''}"


def _decided(decisions: Sequence[tuple[datetime, str]]) -> str:
    last = [f"{at.astimezone().isoformat(' ', 'seconds')} {why}" for at, why in decisions[-SHOWN:]]
    return f"Last decisions: {_sentence('; '.join(last))}" if last else ""


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
