"""Waiting for other issues: a task is not begun before all that blocks it is closed as completed."""

from app.domain.effects import Effect, SetLabels, UpsertComment
from app.domain.graph import Blocker, NodeState, describe_issue, open_blockers
from app.domain.jobs import Purpose
from app.domain.record import TaskRecord
from app.domain.task import Status, Trigger
from app.domain.text import one_line, sentence

BEGINNINGS = (Purpose.WORK, Purpose.PLAN)
"""What is not begun before its blockers are completed; what was begun already goes on."""
NAMED = 5


def must_wait(record: TaskRecord) -> bool:
    """Say whether what the task is about to do is not to be begun yet."""
    return record.purpose in BEGINNINGS and bool(open_blockers(record.blockers))


def block(record: TaskRecord) -> tuple[TaskRecord, tuple[Effect, ...]]:
    """Let the task wait for its blockers: it asks for no run."""
    blocked = record.advance(Trigger.BLOCK, describe_blockers(record), job_id=None, cut_off=None, merge=None)
    return blocked, (SetLabels(), UpsertComment())


def waits_for_blockers(record: TaskRecord) -> bool:
    """Say whether the task is blocked, and not by its own children nor by a path that is locked."""
    return record.status is Status.BLOCKED and record.job_id is None and not (record.graph and record.graph.started)


def describe_blockers(record: TaskRecord) -> str:
    """Say what the task waits for, and who must act where that does not go on by itself."""
    waiting = open_blockers(record.blockers)
    names = [describe_issue(one.task, record.task) for one in waiting]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    parts = [
        f"It waits until {', '.join(names[:NAMED])}{more} {'is' if len(names) == 1 else 'are'} closed as completed."
    ]
    parts += [_say(one, record) for one in waiting if one.stuck or one.state is NodeState.DROPPED][:NAMED]
    return " ".join(parts)


def _say(blocker: Blocker, record: TaskRecord) -> str:
    name = describe_issue(blocker.task, record.task)
    if blocker.state is NodeState.DROPPED:
        return (
            f"{name} was closed, but not as completed: a person reopens it, or takes it off the issues that block "
            "this one."
        )
    return f"{name} does not go on by itself: {sentence(blocker.stuck, 160)}"


def acts_next(record: TaskRecord) -> str:
    """Say who acts next on a blocked task."""
    stuck = [one for one in open_blockers(record.blockers) if one.stuck or one.state is NodeState.DROPPED]
    if stuck:
        return f"a person, at {one_line(describe_issue(stuck[0].task, record.task))}"
    return "other tasks"
