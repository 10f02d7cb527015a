"""What runs used, summed up: for `orch usage`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from enum import StrEnum

from app.domain.errors import UserError
from app.domain.outcomes import Usage
from app.domain.record import RunSummary, TaskRecord
from app.entry.amounts import Amount, Sum, add
from app.entry.run_view import records_in
from app.entry.state import open_store
from app.settings import StateSettings

EARLIER = "earlier"
"""The name of runs of which only their number and cost is kept any more."""
UNKNOWN = "unknown"


class By(StrEnum):
    """What usage can be summed up by."""

    RUN = "run"
    TASK = "task"
    REPOSITORY = "repository"
    AGENT = "agent"
    MODEL = "model"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What some runs used; `cost` is in US dollars. `about` tells of a single run."""

    name: str
    about: str
    runs: int
    tokens_in: Sum
    tokens_out: Sum
    tokens_cached: Sum
    cost: Sum


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What was used since a day, or ever. `undated` runs are not counted: nobody knows whether they were before it."""

    by: By | None
    since: date | None
    undated: int
    rows: tuple[UsageRow, ...]
    total: UsageRow


async def report_usage(settings: StateSettings, by: str | None, since: date | None) -> UsageReport:
    """Sum up what all runs used that the store knows of; raises UserError."""
    if by is not None and by not in list(By):
        raise UserError(f"`{by}` is nothing to sum up by; one of: {', '.join(By)}")
    async with open_store(settings) as store:
        records = await records_in(store)
    return sum_usage(records, By(by) if by else None, since)


def sum_usage(records: Iterable[TaskRecord], by: By | None, since: date | None) -> UsageReport:
    """Sum up runs that began on the day `since` (UTC) or later, by name; those that are not told apart come first."""
    rows: list[UsageRow] = []
    undated = 0
    for record in records:
        rows += [_row(record, run, by) for run in record.runs if since is None or _day(run) >= since]
        if since is None or record.created_at.astimezone(UTC).date() >= since:
            rows += _earlier(record, by)
        elif not (record.runs and _day(record.runs[0]) < since):
            undated += record.folded.runs
    return UsageReport(by, since, undated, _group(rows) if by else (), _sum("all", rows))


def _group(rows: Iterable[UsageRow]) -> tuple[UsageRow, ...]:
    groups: dict[str, list[UsageRow]] = {}
    for row in rows:
        groups.setdefault(row.name, []).append(row)
    return tuple(_sum(name, groups[name]) for name in sorted(groups, key=lambda name: (name != EARLIER, name)))


def _row(record: TaskRecord, run: RunSummary, by: By | None) -> UsageRow:
    about = f"{record.task}, attempt {run.attempt}, {run.outcome.value}" if by is By.RUN else ""
    return _of_usage(_name(record, run, by), about, run.usage)


def _name(record: TaskRecord, run: RunSummary, by: By | None) -> str:
    names = {
        By.RUN: run.run_id,
        By.TASK: str(record.task),
        By.REPOSITORY: record.task.repository.full_name,
        By.AGENT: run.agent or UNKNOWN,
        By.MODEL: run.model or UNKNOWN,
        By.DAY: _day(run).isoformat(),
    }
    return names[by] if by else ""


def _day(run: RunSummary) -> date:
    return run.started_at.astimezone(UTC).date()


def _earlier(record: TaskRecord, by: By | None) -> list[UsageRow]:
    """Return what is left of the runs whose summaries were dropped: task, number and cost."""
    count, cost = record.folded.runs, record.folded.cost
    if not count:
        return []
    names = {By.TASK: str(record.task), By.REPOSITORY: record.task.repository.full_name}
    unknown = Sum(None, count)
    known = unknown if cost is None else Sum(cost)
    return [UsageRow(names.get(by, EARLIER) if by else "", "", count, unknown, unknown, unknown, known)]


def _of_usage(name: str, about: str, usage: Usage) -> UsageRow:
    return UsageRow(
        name=name,
        about=about,
        runs=1,
        tokens_in=_one(usage.tokens_in),
        tokens_out=_one(usage.tokens_out),
        tokens_cached=_one(usage.tokens_cached),
        cost=_one(usage.cost),
    )


def _one(value: Amount | None) -> Sum:
    return Sum(value, int(value is None))


def _sum(name: str, rows: Sequence[UsageRow]) -> UsageRow:
    return UsageRow(
        name=name,
        about=rows[0].about if len(rows) == 1 else "",
        runs=sum(row.runs for row in rows),
        tokens_in=add(row.tokens_in for row in rows),
        tokens_out=add(row.tokens_out for row in rows),
        tokens_cached=add(row.tokens_cached for row in rows),
        cost=add(row.cost for row in rows),
    )
