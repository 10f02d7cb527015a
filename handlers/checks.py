"""Checks on the head of a task's branch: what fails is mended by another round, what passes may let it be merged."""

from app.domain.effects import Decision, Send, nothing
from app.domain.events import ChecksEnded, TaskChecksEnded
from app.domain.names import TaskRef, number_of_task
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.strategies.checked import follow_checks
from app.domain.task import Status


def checks_ended(event: ChecksEnded, snapshot: Snapshot) -> Decision:
    """Tell the tasks whose branch the commit is on, a little later: other checks end, or begin again, meanwhile."""
    found = (number_of_task(branch, snapshot.branch_prefixes) for branch in event.branches)
    numbers = sorted({number for number in found if number is not None})
    tasks = [TaskRef(repository=event.repository, number=number) for number in numbers]
    told = tuple(
        Send(event=TaskChecksEnded(task=task, sha=event.sha), delay=max(snapshot.policy.settle, 0.1)) for task in tasks
    )
    return Decision(f"checks ended on {event.sha[:12]}", effects=told) if told else nothing("the branch is not Orch's")


def task_checks_ended(event: TaskChecksEnded, snapshot: Snapshot) -> Decision:
    """Rework what fails, once all checks have ended and only on a head that Orch made; go on with a wished merge."""
    record = snapshot.record
    if record is None or not is_looked_at(event, record):
        return nothing("the commit is not the head of a branch in review")
    followed = follow_checks(record, snapshot)
    return nothing(followed) if isinstance(followed, str) else followed


def is_looked_at(event: TaskChecksEnded, record: TaskRecord) -> bool:
    """Say whether the task is one in review whose head is the commit."""
    return record.status is Status.IN_REVIEW and record.head_sha == event.sha and not record.cut_off


def _is_settled(event: TaskChecksEnded, record: TaskRecord) -> bool:
    return not is_looked_at(event, record)


HANDLERS = (
    Handler(ChecksEnded, frozenset({Need.CONFIG}), checks_ended),
    Handler(
        TaskChecksEnded, frozenset({Need.RECORD, Need.CHECKS, Need.CONFIG}), task_checks_ended, settled=_is_settled
    ),
)
