"""What the result of an effect means for the record: facts are written down only after they were observed."""

from app.domain.effects import AddComment, Effect, MoveBranch, OpenPull, Send, SetLabels, UpsertComment
from app.domain.events import SlotFreed
from app.domain.record import TaskRecord
from app.domain.task import Trigger, can
from app.domain.text import one_line

ESSENTIAL = (MoveBranch, OpenPull)


def absorb(record: TaskRecord, effect: Effect, number: int | None) -> TaskRecord:
    """Return the record after an effect was performed; `number` is the comment or pull request it made."""
    match effect:
        case SetLabels():
            return record.change(shown=(record.status,))
        case UpsertComment():
            return record.change(comment_id=number)
        case MoveBranch():
            return record.change(head_sha=effect.sha)
        case OpenPull() if can(record.status, Trigger.OPEN_PULL):
            why = f"Pull request #{number} waits for review."
            return record.advance(Trigger.OPEN_PULL, why, pull=number, pull_closed=False)
        case OpenPull():
            return record.change(pull=number, pull_closed=False)
        case _:
            return record


def refuse(record: TaskRecord, effect: Effect, reason: str) -> tuple[TaskRecord, tuple[Effect, ...]]:
    """Return the record, and what is to be done instead, after GitHub refused an effect for good.

    A refused display effect changes nothing: a comment that cannot be edited never fails a task.
    """
    if not isinstance(effect, ESSENTIAL) or not can(record.status, Trigger.PARK):
        return record, ()
    parked = record.advance(Trigger.PARK, f"GitHub refused a step, so a person must act: {one_line(reason, 500)}")
    call = AddComment(task=record.task, key=f"refused-{effect.type}-{record.attempt}", body=parked.why)
    freed = (Send(event=SlotFreed(job_id=record.job_id)),) if record.job_id else ()
    return parked, (*freed, SetLabels(), UpsertComment(), call)
