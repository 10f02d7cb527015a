"""Waiting for other issues: a task is not begun before all that blocks it is closed as completed."""

from app.domain.blocked import describe_blockers, is_planned
from app.domain.graph import open_blockers
from app.domain.jobs import Purpose
from app.domain.record import TaskRecord
from app.domain.task import Status, Trigger

BEGINNINGS = (Purpose.WORK, Purpose.PLAN)
"""What is not begun before its blockers are completed; what was begun already goes on."""


def must_wait(record: TaskRecord) -> bool:
    """Say whether what the task is about to do is not to be begun yet."""
    return record.purpose in BEGINNINGS and bool(open_blockers(record.blockers))


def block(record: TaskRecord) -> TaskRecord:
    """Let the task wait for its blockers: it asks for no run."""
    return record.advance(Trigger.BLOCK, describe_blockers(record), job_id=None, cut_off=None)


def waits_for_blockers(record: TaskRecord) -> bool:
    """Say whether the task is blocked, and not by its own children nor by a path that is locked."""
    return record.status is Status.BLOCKED and record.job_id is None and not is_planned(record)
