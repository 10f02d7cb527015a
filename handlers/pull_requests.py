"""What happens to pull requests, told to the task behind them."""

from app.domain import life
from app.domain.effects import Decision, Send, nothing
from app.domain.events import PullChanged, PullClosed, PullMerged, PullPushed, PullReopened
from app.domain.names import TaskRef, number_of_task
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.task import Trigger, can

PullFact = PullClosed | PullReopened | PullPushed
NOT_OURS = nothing("the pull request is not Orch's")


def pull_closed(event: PullClosed, snapshot: Snapshot) -> Decision:
    """Tell the task behind a closed pull request; the branch's name says which one it is."""
    task = _task_of(event, snapshot)
    if task is None:
        return NOT_OURS
    if not event.merged:
        return _tell(event, task, "closed without a merge")
    merged = PullMerged(task=task, pull=event.number, branch=event.head_branch)
    return Decision(f"pull request #{event.number} was merged", effects=(Send(event=merged),))


def pull_reopened(event: PullReopened, snapshot: Snapshot) -> Decision:
    """Tell the task behind a pull request that it is open again."""
    task = _task_of(event, snapshot)
    return _tell(event, task, "reopened") if task else NOT_OURS


def pull_pushed(event: PullPushed, snapshot: Snapshot) -> Decision:
    """Tell the task behind a pull request that its branch has another head."""
    task = _task_of(event, snapshot)
    return _tell(event, task, "pushed to") if task else NOT_OURS


def pull_changed(event: PullChanged, snapshot: Snapshot) -> Decision:
    """Follow what the task's pull request is now, whatever order GitHub told it in."""
    record, pull = snapshot.record, snapshot.pull
    if record is not None and _is_known(event, record):
        return nothing("Orch moved the branch itself")
    if record is None or pull is None or not _is_of(record, event):
        return nothing("the pull request is not the task's")
    finished = life.merged(record, pull)
    by_orch = event.actor.id == snapshot.identity.bot_id
    if by_orch and event.head_sha not in (None, pull.head_sha):
        return nothing("somebody pushed since, which is told by itself")
    followed = finished or life.pull_followed(record, pull, snapshot.policy.trigger, event.actor.login, by_orch=by_orch)
    return followed or nothing("the task knows what the pull request is now")


def pull_merged(event: PullMerged, snapshot: Snapshot) -> Decision:
    """Finish the task whose pull request was merged."""
    record = snapshot.record
    if record is None or not _is_of(record, event):
        return nothing("the merged pull request is not the task's")
    if not can(record.status, Trigger.MERGE):
        return life.merged_late(record, event.pull) or nothing(f"the task is {record.status.value} already")
    return life.finish_merged(record, event.pull)


def _task_of(event: PullFact, snapshot: Snapshot) -> TaskRef | None:
    number = number_of_task(event.head_branch, snapshot.branch_prefixes)
    if number is None or event.head_repository_id != event.repository.id:
        return None
    return TaskRef(repository=event.repository, number=number)


def _tell(event: PullFact, task: TaskRef, what: str) -> Decision:
    head = event.head_sha if isinstance(event, PullPushed) else None
    changed = PullChanged(task=task, pull=event.number, branch=event.head_branch, actor=event.actor, head_sha=head)
    return Decision(f"pull request #{event.number} was {what}", effects=(Send(event=changed),))


def _is_known(event: PullChanged, record: TaskRecord) -> bool:
    """Say whether a push only made a commit the head that Orch put there itself."""
    return event.head_sha is not None and event.head_sha in record.own_heads


def _is_of(record: TaskRecord, event: PullMerged | PullChanged) -> bool:
    """Go by the pull request's number; before the record has it, by its branch."""
    if event.pull in record.merged_before:
        return False
    return record.branch == event.branch if record.pull is None else record.pull == event.pull


HANDLERS = (
    Handler(PullClosed, frozenset({Need.CONFIG}), pull_closed),
    Handler(PullReopened, frozenset({Need.CONFIG}), pull_reopened),
    Handler(PullPushed, frozenset({Need.CONFIG}), pull_pushed),
    Handler(PullChanged, frozenset({Need.RECORD, Need.PULL, Need.CONFIG}), pull_changed, settled=_is_known),
    Handler(PullMerged, frozenset({Need.RECORD}), pull_merged),
)
