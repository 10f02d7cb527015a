"""The life of an issue beside its labels: edited, closed, reopened, transferred, deleted."""

from dataclasses import replace

from app.domain import life
from app.domain.effects import AddComment, Decision, Effect, RemoveLabel, Send, nothing
from app.domain.events import IssueClosed, IssueDeleted, IssueEdited, IssueReopened, IssueTransferred, MergeAwaited
from app.domain.graph import state_of
from app.domain.graph_events import IssueMoved
from app.domain.labels import PLAN_LABEL, STATUS_PREFIX, is_same_label, status_label
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.task import Status

NO_TASK = nothing("the issue is no task")


def issue_edited(event: IssueEdited, snapshot: Snapshot) -> Decision:
    """Say in the living comment that the text of now is not the one that is followed."""
    if snapshot.record is None or snapshot.issue is None:
        return NO_TASK
    return life.edited(snapshot.record, snapshot.issue) or nothing("what is said of the text is right")


def issue_closed(event: IssueClosed, snapshot: Snapshot) -> Decision:
    """End the task of an issue that a person closed; whether a merge did it is found out first."""
    record, issue = snapshot.record, snapshot.issue
    if record is None or event.actor.id == snapshot.identity.bot_id:
        return _tell_others(event, record)
    if record.status.is_final:
        return _closed_late(event, record)
    if record.pull is not None and not event.again:
        return _await_merge(event, record.pull)
    if issue is None:
        return nothing("the issue is not there any more")
    finished = life.merged(record, snapshot.pull) or life.closed(record, issue, event.actor.login)
    return _with_others(finished, event, record) if finished else nothing("the issue was reopened meanwhile")


def _closed_late(event: IssueClosed, record: TaskRecord) -> Decision:
    """Note that the issue is closed too whose task ended before: those who wait for it wait for that."""
    if not record.left_open:
        return _with_others(nothing(f"the task is {record.status.value} already"), event, record)
    return _with_others(Decision("the issue was closed after its task", record.change(left_open=False)), event, None)


def _tell_others(event: IssueClosed | IssueReopened, record: TaskRecord | None) -> Decision:
    told = _others(event, record)
    if told:
        return Decision("others may wait for the issue", effects=told)
    return NO_TASK if record is None else nothing("who waits for it is told by its task")


def _with_others(decision: Decision, event: IssueClosed | IssueReopened, record: TaskRecord | None) -> Decision:
    return replace(decision, effects=(*decision.effects, *_others(event, record)))


def _others(event: IssueClosed | IssueReopened, record: TaskRecord | None) -> tuple[Effect, ...]:
    """Have those told who wait for an issue, as far as its task does not know of them and tells them itself."""
    known = 0 if record is None else len(record.dependents)
    parent = event.parent if record is None or record.parent is None else None
    blocking = event.blocking if event.blocking > known else 0
    if not blocking and parent is None:
        return ()
    state = state_of(isinstance(event, IssueReopened), event.state_reason)
    return (Send(event=IssueMoved(task=event.task, state=state, blocking=blocking, parent=parent)),)


def _await_merge(event: IssueClosed, pull: int) -> Decision:
    """Go through the group of the pull request: GitHub tells there of a merge, which then needs no question."""
    awaited = MergeAwaited(pull=pull, closed=event.model_copy(update={"again": True}))
    return Decision("a merge may have closed the issue", effects=(Send(event=awaited),))


def merge_awaited(event: MergeAwaited, snapshot: Snapshot) -> Decision:
    """Send the closing back to the issue, behind the merge if there was one."""
    return Decision("what happened to the pull request was told", effects=(Send(event=event.closed),))


def issue_reopened(event: IssueReopened, snapshot: Snapshot) -> Decision:
    """Let the task wait for a person with write access, and say how it is taken up again."""
    if snapshot.record is None:
        return _tell_others(event, None)
    if snapshot.issue is None:
        return NO_TASK
    trigger = snapshot.policy.trigger
    decision = life.reopened(snapshot.record, snapshot.issue, snapshot.pull, trigger)
    if decision is None:
        return nothing("the task was not finished, or the issue is closed again")
    return _with_others(decision, event, snapshot.record)


def issue_transferred(event: IssueTransferred, snapshot: Snapshot) -> Decision:
    """End the task here, and leave a word where the issue is now; without the App there, GitHub refuses that."""
    record = snapshot.record
    if record is None:
        return NO_TASK
    why = f"The issue was transferred to {event.target}, so the task ends here."
    left = (
        f" Pull request {record.task.repository.full_name}#{record.pull} stays open."
        if life.has_open_pull(record)
        else ""
    )
    body = (
        f"Orch worked on this issue as {record.task} and stopped when it was transferred.{left} To have Orch work on "
        f"it here, a person with write access puts the label `{snapshot.policy.trigger}` on (first off, if it is on)."
    )
    off = (RemoveLabel(task=event.target, label=status_label(status)) for status in _statuses(record))
    told: tuple[Effect, ...] = (*off, AddComment(task=event.target, key=f"from-{record.group}", body=body))
    return life.gone(record, why, *told) or nothing(f"the task is {record.status.value} already")


def _statuses(record: TaskRecord) -> tuple[Status, ...]:
    return tuple(dict.fromkeys((*record.shown, record.status)))


def issue_deleted(event: IssueDeleted, snapshot: Snapshot) -> Decision:
    """End the task of an issue that is gone; there is nowhere to say so."""
    if snapshot.record is None:
        return NO_TASK
    gone = life.gone(snapshot.record, f"`{event.actor.login}` deleted the issue, so the task ends.")
    return gone or nothing(f"the task is {snapshot.record.status.value} already")


LifeEvent = IssueEdited | IssueClosed | IssueReopened | IssueTransferred | IssueDeleted


def not_ours(event: LifeEvent, snapshot: Snapshot) -> str | None:
    """Skip issues that are no tasks and that nobody waits for, going by labels and links, and what Orch did itself."""
    if isinstance(event, IssueClosed | IssueReopened) and (event.blocking or event.parent):
        return None
    if event.actor.id == snapshot.identity.bot_id:
        return "Orch did it itself"
    return None if _has_label(event, snapshot) else "the issue has no label of Orch's"


def _has_label(event: LifeEvent, snapshot: Snapshot) -> bool:
    ours = (snapshot.policy.trigger, PLAN_LABEL)
    return any(
        label.lower().startswith(STATUS_PREFIX) or any(is_same_label(label, one) for one in ours)
        for label in event.labels
    )


def _is_only_known(event: LifeEvent, snapshot: Snapshot) -> bool:
    """Look for no record on GitHub of an issue that somebody merely waits for."""
    return not _has_label(event, snapshot)


def _is_over(event: IssueClosed, record: TaskRecord) -> bool:
    return record.status.is_final or (record.pull is not None and not event.again)


def _is_not_over(event: IssueReopened, record: TaskRecord) -> bool:
    return not record.status.is_final


_READ = frozenset({Need.RECORD, Need.ISSUE, Need.CONFIG})

HANDLERS = (
    Handler(IssueEdited, _READ, issue_edited, not_ours),
    Handler(IssueClosed, _READ | {Need.PULL}, issue_closed, not_ours, _is_over, _is_only_known),
    Handler(IssueReopened, _READ | {Need.PULL}, issue_reopened, not_ours, _is_not_over, _is_only_known),
    Handler(IssueTransferred, frozenset({Need.RECORD, Need.CONFIG}), issue_transferred, not_ours),
    Handler(IssueDeleted, frozenset({Need.RECORD, Need.CONFIG}), issue_deleted, not_ours),
    Handler(MergeAwaited, frozenset(), merge_awaited),
)
