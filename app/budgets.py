"""What a run may cost: the least of what is left to its task, its repository and its installation."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from app.domain.ledger import Ledger
from app.domain.names import ledger_group
from app.domain.policy import Policy
from app.domain.record import TaskRecord
from app.ports import Clock
from app.records import Records

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Caps:
    """US dollars that the next run may cost (None: no limit); `spent` says which cap is reached, if one is."""

    run: Decimal | None
    spent: str | None = None


@dataclass(frozen=True, slots=True)
class Budgets:
    """Compares what was spent with what may be. Runs at the same time do not see what the others spend meanwhile."""

    records: Records
    clock: Clock

    async def caps(self, record: TaskRecord, policy: Policy) -> Caps:
        """Return what the task's next run may cost; what a person allowed comes on top."""
        repository = record.task.repository
        ledger = (await self.records.load(ledger_group(repository.installation_id))).ledger or Ledger()
        caps = least(record, ledger, policy, self.clock.now())
        if not record.allowance or caps.run is None:
            return caps
        return Caps(caps.run + record.allowance)


def least(record: TaskRecord, ledger: Ledger, policy: Policy, now: datetime) -> Caps:
    """Return the least of all caps on the next run."""
    day = now.date()
    of_day, of_month = ledger.of_day(record.task.repository.id, day), ledger.of_month(day)
    of_task = spent_within(record, policy.task_window_days, now)
    window = f"within {policy.task_window_days:g} days"
    caps = (
        (of_task, policy.max_task_cost, f"this task's runs cost ${of_task:.2f} {window}"),
        (of_day, policy.max_day_cost, f"this repository's runs cost ${of_day:.2f} today (UTC)"),
        (of_month, policy.max_month_cost, f"this installation's runs cost ${of_month:.2f} this month"),
    )
    for spent, cap, said in caps:
        if spent >= cap:
            return Caps(NOTHING, f"{said}, and at most ${cap:.2f} is allowed.")
    left = min(cap - spent for spent, cap, _ in caps)
    return Caps(left if policy.limits.cost is None else min(left, policy.limits.cost))


def spent_within(record: TaskRecord, days: float, now: datetime) -> Decimal:
    """Add up what is known of the cost of the runs that ended within so many days."""
    since = now - timedelta(days=days)
    return sum((run.usage.cost or NOTHING for run in record.runs if run.ended_at >= since), NOTHING)
